import { MillraceError } from '../common/errors.ts'
import { type ChannelId, channelId, checkpointId, type DeploymentId, deploymentId } from '../common/ids.ts'
import type { SnapshotKind } from '../state/checkpoint-record.ts'
import type { LinkMessage } from '../task/peer-link.ts'

/*
 * What goes over a data connection behind the handshake: a header of 12 bytes, then the payload.
 *
 * | bytes | what                                                                                     |
 * |-------|------------------------------------------------------------------------------------------|
 * | 0     | uint32: bytes of the payload                                                             |
 * | 4     | uint32: type                                                                             |
 * | 8     | uint32: number of the link, as its receiver counts (`announce`, `withdraw`: its sender)   |
 *
 * Numbers are in the machine's byte order, as in the batches themselves.
 */
export const headerLength = 12

export const frameTypes = {
  heartbeat: 1,
  /** The sender has the link, and takes what comes for it under this number. */
  announce: 2,
  /** Nothing goes over the link that the sender announced under this number, and nothing comes from it. */
  withdraw: 3,
  /** uint32 each: channels of which one batch was read. */
  credits: 4,
  message: 5,
  data: 6,
} as const

/** One deployment's pair of job slots, as its announcer sees it. */
export interface LinkKey {
  readonly deploymentId: DeploymentId
  readonly jobSlot: number
  readonly remoteJobSlot: number
}

export function keyText({ deploymentId: deployment, jobSlot, remoteJobSlot }: LinkKey): string {
  return `${jobSlot} ${remoteJobSlot} ${deployment}`
}

/** The header of a frame whose payload goes behind it. */
export function frameHeader(type: number, link: number, payloadLength: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength)
  writeHeader(bytes, type, link, payloadLength)
  return bytes
}

/** A small frame, whole. */
export function smallFrame(type: number, link: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength + payload.length)
  writeHeader(bytes, type, link, payload.length)
  bytes.set(payload, headerLength)
  return bytes
}

function writeHeader(bytes: Buffer, type: number, link: number, payloadLength: number): void {
  bytes.writeUInt32LE(payloadLength, 0)
  bytes.writeUInt32LE(type, 4)
  bytes.writeUInt32LE(link, 8)
}

export function creditsFrame(link: number, channelNumbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength + channelNumbers.length * 4)
  writeHeader(bytes, frameTypes.credits, link, channelNumbers.length * 4)
  for (const [index, number] of channelNumbers.entries()) bytes.writeUInt32LE(number, headerLength + index * 4)
  return bytes
}

/** @throws MillraceError MR_DATA_CONNECTION */
export function readCredits(payload: Buffer): readonly number[] {
  if (payload.length % 4 !== 0) throw malformed('credits')
  return Array.from({ length: payload.length / 4 }, (_, index) => payload.readUInt32LE(index * 4))
}

export function announceFrame(number: number, key: LinkKey): Buffer {
  const { jobSlot, remoteJobSlot } = key
  const id = Buffer.from(key.deploymentId, 'utf8')
  const payload = Buffer.alloc(8 + id.length)
  payload.writeUInt32LE(jobSlot, 0)
  payload.writeUInt32LE(remoteJobSlot, 4)
  payload.set(id, 8)
  return smallFrame(frameTypes.announce, number, payload)
}

/** The link as the receiver of the announcement has it. @throws MillraceError MR_DATA_CONNECTION */
export function readAnnouncement(payload: Buffer): LinkKey {
  if (payload.length < 9) throw malformed('announcement')
  return {
    deploymentId: deploymentId(payload.toString('utf8', 8)),
    jobSlot: payload.readUInt32LE(4),
    remoteJobSlot: payload.readUInt32LE(0),
  }
}

// ---- messages between the ends of a link ----

/** The message kinds that cross a connection; credits have frames of their own. */
export type CarriedMessage = Exclude<LinkMessage, { readonly type: 'credit' }>

const messageKinds = { open: 1, watermark: 2, idle: 3, active: 4, end: 5, barrier: 6 } as const

const snapshotKinds: Readonly<Record<SnapshotKind, true>> = { checkpoint: true }

export function messageFrame(link: number, message: CarriedMessage): Buffer {
  return smallFrame(frameTypes.message, link, encodeMessage(message))
}

function encodeMessage(message: CarriedMessage): Buffer {
  const { channelNumber } = message
  if (message.type === 'open') return messageOf('open', channelNumber, Buffer.from(message.channelId, 'utf8'))
  const { item } = message
  switch (item.type) {
    case 'watermark': {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeDoubleLE(item.watermark, 0)
      return messageOf('watermark', channelNumber, bytes)
    }
    case 'barrier':
      return messageOf('barrier', channelNumber, Buffer.from(JSON.stringify(item.barrier), 'utf8'))
    default:
      return messageOf(item.type, channelNumber, Buffer.alloc(0))
  }
}

function messageOf(kind: keyof typeof messageKinds, channelNumber: number, content: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(5 + content.length)
  bytes[0] = messageKinds[kind]
  bytes.writeUInt32LE(channelNumber, 1)
  bytes.set(content, 5)
  return bytes
}

/** @throws MillraceError MR_DATA_CONNECTION */
export function readMessage(payload: Buffer): CarriedMessage {
  if (payload.length < 5) throw malformed('message')
  const channelNumber = payload.readUInt32LE(1)
  const content = payload.subarray(5)
  switch (payload[0]) {
    case messageKinds.open:
      return { type: 'open', channelNumber, channelId: readChannelId(content) }
    case messageKinds.watermark:
      if (content.length !== 8) throw malformed('watermark')
      return { type: 'control', channelNumber, item: { type: 'watermark', watermark: content.readDoubleLE(0) } }
    case messageKinds.idle:
      return { type: 'control', channelNumber, item: { type: 'idle' } }
    case messageKinds.active:
      return { type: 'control', channelNumber, item: { type: 'active' } }
    case messageKinds.end:
      return { type: 'control', channelNumber, item: { type: 'end' } }
    case messageKinds.barrier:
      return { type: 'control', channelNumber, item: { type: 'barrier', barrier: readBarrier(content) } }
    default:
      throw malformed('message')
  }
}

function readChannelId(content: Buffer): ChannelId {
  if (content.length === 0) throw malformed('channel')
  return channelId(content.toString('utf8'))
}

function readBarrier(content: Buffer) {
  const value: unknown = parsed(content.toString('utf8'))
  if (typeof value !== 'object' || value === null) throw malformed('barrier')
  const { id, base, kind } = value as { readonly id?: unknown; readonly base?: unknown; readonly kind?: unknown }
  if (!isCount(id) || !isCount(base) || !isSnapshotKind(kind)) throw malformed('barrier')
  return { id: checkpointId(id), base: checkpointId(base), kind }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('barrier')
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isSnapshotKind(value: unknown): value is SnapshotKind {
  return typeof value === 'string' && Object.hasOwn(snapshotKinds, value)
}

export function malformed(what: string): MillraceError {
  return new MillraceError('MR_DATA_CONNECTION', `what arrived on a data connection is no ${what}`)
}
