import { MillraceError } from '../../../common/errors.ts'
import { IdRotation } from './id-rotation.ts'
import { ProducerSession } from './producer-session.ts'
import type { TransactionClient } from './transaction-client.ts'

/** Below this many free ids more are asked for (R15). */
const fewIds = 4
const moreIds = 16

export interface TransactionSessionsOptions {
  readonly transactions: TransactionClient
  /** Start of all ids of this sink and attempt. */
  readonly idBase: string
  /** Ids below it may be used. */
  readonly mark: number
  /** Known when the brokers have told what they allow. */
  readonly timeoutMs: Promise<number>
  requestIds(mark: number): void
  /** A session has its identity. */
  ready(): void
  fail(error: unknown): void
}

/** The transactions of one attempt: each has an id and an epoch of its own (R15). One is opened ahead. */
export class TransactionSessions {
  readonly rotation: IdRotation
  readonly #options: TransactionSessionsOptions
  #requested: number
  #spare: ProducerSession
  #closed = false

  constructor(options: TransactionSessionsOptions) {
    this.#options = options
    this.rotation = new IdRotation(options.mark)
    this.#requested = options.mark
    this.#spare = this.#open()
  }

  /** @throws MillraceError MR_SINK where no id is free: the region fails, it does not wait (R15) */
  next(): ProducerSession {
    const session = this.#spare
    this.#spare = this.#open()
    return session
  }

  /** A mark below what was asked for comes from a new leader: the request was lost with the one before (R22). */
  granted(mark: number): void {
    this.rotation.raise(mark)
    if (mark < this.#requested) this.#options.requestIds(this.#requested)
  }

  /** Its interval is over: it will be listed. */
  prepared(session: ProducerSession, nowMs: number): void {
    const number = this.#numberOf(session.transactionalId ?? '')
    if (number !== undefined) this.rotation.prepared(number, session.beganMs ?? nowMs)
  }

  /** The transaction is committed, since this checkpoint has completed; it may be another attempt's. */
  committed(transactionalId: string, checkpointId: number): void {
    const number = this.#numberOf(transactionalId)
    if (number !== undefined) this.rotation.committed(number)
    this.rotation.completed(checkpointId)
  }

  /** No id is opened any more: whoever comes next fences them (R16). */
  close(): void {
    this.#closed = true
  }

  /** undefined: another attempt's. */
  #numberOf(transactionalId: string): number | undefined {
    const { idBase } = this.#options
    return transactionalId.startsWith(idBase) ? Number(transactionalId.slice(idBase.length)) : undefined
  }

  #open(): ProducerSession {
    const number = this.rotation.take()
    if (number === undefined) {
      throw new MillraceError('MR_SINK', `no transactional id is free: all ${this.rotation.mark} wait for checkpoints`)
    }
    if (this.rotation.free < fewIds && this.#requested <= this.rotation.mark) {
      this.#requested = this.rotation.mark + moreIds
      this.#options.requestIds(this.#requested)
    }
    const session = new ProducerSession(`${this.#options.idBase}${number}`)
    this.#initialise(session).catch((error: unknown) => this.#options.fail(error))
    return session
  }

  async #initialise(session: ProducerSession): Promise<void> {
    const { transactions, timeoutMs, ready } = this.#options
    const limitMs = await timeoutMs
    if (this.#closed) return
    session.identity = await transactions.initProducer(session.transactionalId, limitMs)
    ready()
  }
}
