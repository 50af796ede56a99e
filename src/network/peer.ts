import type { Socket } from 'node:net'
import type { ErrorData } from '../common/errors.ts'
import type { Clock, Timer } from '../common/ports.ts'
import { Connection, neverConnected } from './connection.ts'
import type { NetworkLimits } from './limits.ts'
import type { Link } from './link.ts'
import type { LostLinks } from './remote-links.ts'

export interface PeerOptions {
  readonly taskManager: string
  /** Whether this end dials: the one of the smaller id does (R28). */
  readonly dials: boolean
  readonly clock: Clock
  readonly limits: NetworkLimits
  /** Dials and shakes hands; exactly one of the two is called, unless it was cancelled. */
  dial(address: string, proved: (socket: Socket, rest: Buffer) => void, failed: (error: Error) => void): Dial
  lost(lost: LostLinks): void
}

export interface Dial {
  cancel(): void
}

/** Another TaskManager: the links to it, and the one connection that carries them. */
export class Peer {
  readonly #options: PeerOptions
  readonly #links = new Set<Link>()
  #address = ''
  #connection: Connection | undefined
  #dial: Dial | undefined
  /** Until the next dial, or until the other end has dialled. */
  #timer: Timer | undefined
  #failedDials = 0

  constructor(options: PeerOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#links.size === 0 && this.#connection === undefined
  }

  add(link: Link, address: string): void {
    this.#links.add(link)
    this.#address = address
    if (this.#connection === undefined) this.#reach()
    else this.#connection.add(link)
  }

  remove(link: Link): void {
    if (!this.#links.delete(link)) return
    this.#connection?.remove(link)
    if (this.#links.size === 0) this.#rest()
  }

  /** A connection on which both have proved the secret. It takes the place of one that the other end has given up. */
  connected(socket: Socket, rest: Buffer): void {
    this.#rest()
    this.#failedDials = 0
    const { taskManager: peer, clock, limits } = this.#options
    const old = this.#connection
    if (old !== undefined) {
      old.close()
      this.#connection = undefined
      const message = `the data connection to ${peer} was replaced by a new one`
      this.#failLinks(
        [...this.#links].filter((link) => link.isJoined),
        { code: 'MR_TASK_MANAGER_LOST', message },
        false,
      )
    }
    const connection = new Connection({ socket, peer, clock, limits, lost: (error) => this.#lost(connection, error) })
    this.#connection = connection
    for (const link of this.#links) connection.add(link)
    connection.receive(rest)
  }

  close(): void {
    this.#rest()
    this.#connection?.close()
    this.#connection = undefined
    for (const link of [...this.#links]) link.close()
  }

  /** Links over which nothing has gone yet lose nothing: they wait for the next connection. */
  #lost(connection: Connection, error: ErrorData): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#failLinks(
      [...this.#links].filter((link) => link.isJoined),
      error,
      true,
    )
    if (this.#links.size > 0) this.#reach()
  }

  #failLinks(links: readonly Link[], error: ErrorData, isPeerLost: boolean): void {
    const deployments = [...new Set(links.map(({ key }) => key.deploymentId))]
    for (const link of links) link.close()
    if (!isPeerLost && deployments.length === 0) return
    this.#options.lost({ taskManager: this.#options.taskManager, deployments, error, isPeerLost })
  }

  // ---- until there is a connection ----

  #reach(): void {
    const { dials, clock, limits } = this.#options
    if (this.#dial !== undefined || this.#timer !== undefined) return
    if (dials) {
      this.#dialNow()
      return
    }
    this.#timer = clock.schedule(limits.awaitedDialMs, () => {
      this.#giveUp(new Error(`it has not dialled within ${limits.awaitedDialMs} ms`))
    })
  }

  #dialNow(): void {
    this.#timer = undefined
    this.#dial = this.#options.dial(
      this.#address,
      (socket, rest) => this.connected(socket, rest),
      (error) => this.#dialFailed(error),
    )
  }

  #dialFailed(error: Error): void {
    const { clock, limits } = this.#options
    this.#dial = undefined
    this.#failedDials++
    if (this.#failedDials >= limits.dialAttempts) this.#giveUp(error)
    else this.#timer = clock.schedule(limits.dialDelayMs, () => this.#dialNow())
  }

  #giveUp(error: Error): void {
    this.#rest()
    this.#failedDials = 0
    const { taskManager } = this.#options
    this.#failLinks([...this.#links], neverConnected(taskManager, error), true)
  }

  /** Nobody is waited for any more. */
  #rest(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dial?.cancel()
    this.#dial = undefined
  }
}
