import { errorData } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Ports } from '../../common/ports.ts'
import type { Address, Transport } from '../transport/transport.ts'
import type { ActorReference, Behaviour, EndedActor } from './actor.ts'
import { ActorCell } from './actor-cell.ts'
import type { Executor } from './executor.ts'

export interface ActorSystemOptions {
  readonly transport: Transport
  readonly ports: Ports
  readonly executor: Executor
  readonly logger: Logger
}

/** The actors of one process: starts them, ends them, and tells who watches them. */
export class ActorSystem {
  readonly options: ActorSystemOptions
  readonly #cells = new Map<Address, ActorCell>()
  /** Who has ended, by address: watchers may come late. A new actor under the address takes the entry away. */
  readonly #ended = new Map<Address, EndedActor>()
  readonly #watchers = new Map<Address, Set<Address>>()

  constructor(options: ActorSystemOptions) {
    this.options = options
  }

  spawn<M>(address: Address, behaviour: Behaviour<M>): ActorReference<M> {
    this.#ended.delete(address)
    const cell = new ActorCell(this, address)
    this.#cells.set(address, cell)
    cell.start(behaviour)
    return { address }
  }

  /** Ends an actor after the message that it is handling; resolves when it has ended. */
  async stop(actor: ActorReference<never>): Promise<void> {
    await this.#cells.get(actor.address)?.end(undefined)
  }

  /** For actors of this system. */
  watch(watcher: Address, watched: Address): void {
    const ended = this.#ended.get(watched)
    if (ended !== undefined || !this.#cells.has(watched)) {
      this.#cells.get(watcher)?.watchedEnded(ended ?? { address: watched, error: undefined })
      return
    }
    const watchers = this.#watchers.get(watched) ?? new Set()
    this.#watchers.set(watched, watchers.add(watcher))
  }

  /** Called by a cell when its actor is no more. */
  cellEnded(address: Address, error: unknown): void {
    const ended: EndedActor = { address, error: error === undefined ? undefined : errorData(error) }
    this.#cells.delete(address)
    this.#ended.set(address, ended)
    const watchers = this.#watchers.get(address)
    this.#watchers.delete(address)
    for (const watcher of watchers ?? []) this.#cells.get(watcher)?.watchedEnded(ended)
    if (ended.error !== undefined) {
      this.options.logger.error({ actor: address, error: ended.error }, `actor failed: ${ended.error.message}`)
    }
  }
}
