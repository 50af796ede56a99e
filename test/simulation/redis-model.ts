import { type CheckpointId, checkpointId, type LeaderToken, leaderToken } from '../../src/common/ids.ts'
import type { CheckpointRecord } from '../../src/state/checkpoint-record.ts'
import type { TransactionLedger } from '../../src/state/transaction-ledger.ts'
import type { Mutation, Rules } from './rules.ts'
import type { Runner, Scheduler } from './scheduler.ts'

export type Answer<T> =
  | { readonly type: 'done'; readonly value: T }
  /** Another one leads. */
  | { readonly type: 'fenced' }
  /** Done, but not known to be durable: the connection lives. */
  | { readonly type: 'undetermined' }
  /** Done, not done, or done later: the connection is lost. */
  | { readonly type: 'lost' }

export interface Envelope {
  readonly from: string
  readonly token: LeaderToken | undefined
  readonly sequence: number
  readonly body: unknown
}

class Fenced extends Error {}
const answerLimitMs = 250

/** A connection keeps the order of what it carries. */
export class Connection {
  readonly runner: Runner
  readonly name: string
  /** How likely a request is lost with it. */
  readonly lossiness: number
  arrivalMs = 0

  constructor(name: string, runner: Runner, lossiness = 0.006) {
    this.lossiness = lossiness
    this.name = name
    this.runner = runner
  }
}

/** What Redis holds, and the ways to it: requests and answers late or lost, its clock stepping. */
export class RedisModel {
  record: string | undefined
  revision = 0
  begun = 0
  ledger: TransactionLedger = []
  readonly records = new Map<CheckpointId, CheckpointRecord>()
  readonly marked = new Set<CheckpointId>()
  readonly inboxes = new Map<string, Envelope[]>()
  /** Of its own clock. */
  clockMs = 0
  readonly mutation: Mutation | undefined
  readonly #scheduler: Scheduler
  readonly #rules: Rules
  #writer: string | undefined
  #token: LeaderToken | undefined
  #epoch = 0
  #lease: { readonly owner: string; readonly untilMs: number } | undefined

  constructor(scheduler: Scheduler, rules: Rules, mutation: Mutation | undefined) {
    this.#scheduler = scheduler
    this.#rules = rules
    this.mutation = mutation
  }

  /** One command or script. */
  call<T>(connection: Connection, command: () => T, answer: (answer: Answer<T>) => void): void {
    const scheduler = this.#scheduler
    let answered = false
    const give = (given: Answer<T>): void => {
      if (!answered) answer(given)
      answered = true
    }
    const arrive = (): void => {
      const done = this.#run(command)
      const isUndetermined = done.type === 'done' && scheduler.unlucky(0.005)
      const result: Answer<T> = isUndetermined ? { type: 'undetermined' } : done
      if (scheduler.unlucky(0.01)) return
      scheduler.after(scheduler.between(0.2, 3), connection.runner, () => give(result))
    }
    const late = scheduler.unlucky(0.004) ? scheduler.between(100, 4000) : 0
    const isLost = late === 0 && scheduler.unlucky(connection.lossiness)
    const atMs = Math.max(connection.arrivalMs, scheduler.nowMs + scheduler.between(0.2, 3))
    // A request that hangs in an old connection does not hold up those of the next one.
    if (late === 0) connection.arrivalMs = atMs
    if (!isLost) scheduler.after(atMs + late - scheduler.nowMs, undefined, arrive)
    scheduler.after(answerLimitMs, connection.runner, () => give({ type: 'lost' }))
  }

  #run<T>(command: () => T): Answer<T> {
    try {
      return { type: 'done', value: command() }
    } catch (error) {
      if (error instanceof Fenced) return { type: 'fenced' }
      throw error
    }
  }

  // ---- the lease, and who may write ----

  get #timeMs(): number {
    return this.#scheduler.nowMs + this.clockMs
  }

  acquireLease(owner: string, leaseMs: number): boolean {
    const held = this.#lease
    if (held !== undefined && held.owner !== owner && this.#holds(held.untilMs)) return false
    this.#lease = { owner, untilMs: this.#timeMs + leaseMs }
    return true
  }

  #holds(untilMs: number): boolean {
    return this.mutation === 'I11 the lease never ends' || untilMs > this.#timeMs
  }

  renewLease(owner: string, leaseMs: number): boolean {
    if (this.#lease?.owner !== owner || !this.#holds(this.#lease.untilMs)) return false
    this.#lease = { owner, untilMs: this.#timeMs + leaseMs }
    return true
  }

  releaseLease(owner: string): void {
    if (this.#lease?.owner === owner) this.#lease = undefined
  }

  claim(id: string, floor: number): LeaderToken {
    const counts = this.mutation !== 'I2 the claim does not count up'
    this.#epoch = counts ? Math.max(this.#epoch, floor) + 1 : Math.max(this.#epoch, 1)
    this.#token = leaderToken(`${id}:${this.#epoch}`)
    this.#rules.claimed(this.#token, this.#epoch)
    return this.#token
  }

  fence(token: LeaderToken, what: string): void {
    if (token !== this.#token && this.mutation !== 'I1 writes are not fenced') throw new Fenced()
    this.#rules.written(token, what)
  }

  isCurrent(token: LeaderToken): boolean {
    return token === this.#token
  }

  // ---- the job ----

  writeRecord(token: LeaderToken, expected: number, text: string): number {
    this.fence(token, 'a record')
    const isOwn = this.#writer === token && this.revision === expected + 1
    if (this.revision !== expected && !isOwn) throw new Fenced()
    this.record = text
    this.revision = expected + 1
    this.#writer = token
    return this.revision
  }

  beginCheckpoint(token: LeaderToken): CheckpointId {
    this.fence(token, 'a checkpoint id')
    const isAgain = this.mutation === 'I5 checkpoint ids are used again'
    this.begun = isAgain ? Math.max(0, ...this.records.keys()) + 1 : this.begun + 1
    this.#rules.begun(this.begun)
    return checkpointId(this.begun)
  }

  completeCheckpoint(token: LeaderToken, record: CheckpointRecord): void {
    this.fence(token, `checkpoint ${record.id}`)
    this.#rules.completed(record)
    this.records.set(record.id, record)
  }

  append(inbox: string, envelope: Envelope): void {
    const stream = this.inboxes.get(inbox)
    if (stream === undefined) return
    stream.push(envelope)
    this.appended(inbox)
  }

  /** Wakes whoever reads the stream. */
  appended: (inbox: string) => void = () => undefined

  newest(): CheckpointRecord | undefined {
    return [...this.records.values()].at(this.mutation === 'I6 the newest checkpoint is not seen' ? -2 : -1)
  }
}
