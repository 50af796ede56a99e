import type { FromSlot, SlotStart, ToSlot } from './slot-protocol.ts'

/** One end of the connection between two slots: ordered, reliable; data as transferred buffers (R28). Worker threads: a MessagePort; inline: a queue. */
export interface PeerPort {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void
  /** The next message that has arrived, without a turn of the event loop; undefined: none. */
  receive(): unknown
  /** Called when something has arrived while nobody polls. */
  onArrival(action: () => void): void
  /** Called when the other end is closed, also with its thread; what it sent before can still be received. */
  onClose(action: () => void): void
  close(): void
}

/** Opaque to everyone but the host that made it: travels from `connect` to `send`. */
export type PortHandle = unknown

/** Runs slots: as worker threads, or inline in the test's own thread with virtual time. */
export interface SlotHost {
  start(start: SlotStart, listener: SlotListener): SlotHandle
  /** A connected pair of ports, one for each of two slots of this host. */
  connect(): readonly [PortHandle, PortHandle]
  /** The end of a connection that the host's own thread keeps, where the other slot is not of this host. */
  portOf(handle: PortHandle): PeerPort
}

export interface SlotListener {
  message(message: FromSlot): void
  /** The slot is gone, once (R32: only now is it free). `cause`: undefined after an ordinary end. */
  exit(cause: SlotExit): void
}

export type SlotExit =
  | { readonly type: 'stopped' }
  /** Ended without being asked: process.exit in user code, out of memory, an uncaught exception. */
  | { readonly type: 'died'; readonly reason: string; readonly code: 'MR_SLOT_LOST' | 'MR_SLOT_OUT_OF_MEMORY' }

export interface SlotHandle {
  /** `ports`: for a `deploy`, in the order of `peers`. */
  send(message: ToSlot, ports?: readonly PortHandle[]): void
  /** Ends the thread without waiting for user code; `exit` follows, unless native code blocks (R32). */
  terminate(): void
}
