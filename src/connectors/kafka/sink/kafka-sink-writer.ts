import type { Committable, SinkWriter, SinkWriterContext } from '../../../api/sink.ts'
import { MillraceError } from '../../../common/errors.ts'
import { transactionalIdBase } from '../../../common/transactional-ids.ts'
import { defaultKafkaBrokers } from '../../../config/kafka-defaults.ts'
import { brokerErrorName } from '../broker-errors.ts'
import { FetchBuffers } from '../fetch-buffers.ts'
import { KafkaAdmin } from '../kafka-admin.ts'
import { delay, KafkaClient, type KafkaClientOptions, type RetryLimits } from '../kafka-client.ts'
import type { KafkaSinkSettings } from './kafka-sink-options.ts'
import { ProducerSession } from './producer-session.ts'
import { RecordOutput } from './record-output.ts'
import type { OpenableSerializer } from './record-serializer.ts'
import { isTooOld, transactionTimeoutMs } from './transaction-age.ts'
import { TransactionClient } from './transaction-client.ts'
import { TransactionSessions } from './transaction-sessions.ts'
import { WriteInterval } from './write-interval.ts'

export interface KafkaSinkWriterOptions<T> {
  readonly settings: KafkaSinkSettings
  readonly serializer: OpenableSerializer<T>
  /** Those that are known before the first record. */
  readonly topics: readonly string[]
  readonly context: SinkWriterContext
}

/** A prepared transaction, as the checkpoint lists it: with what any process can commit it (R16). */
type PreparedTransaction = {
  readonly transactionalId: string
  readonly producerId: string
  readonly epoch: number
  readonly checkpointId: number
  readonly topics: readonly string[]
}

/** Answers come one after another, so that it is the way to the broker and back that is saved. */
const fencesAtOnce = 16
/** A topic may have been made just now. */
const topicPatienceMs = 5000
/** What is open when the attempt ends is ended within this time, else by whoever fences it. */
const closingMs = 2000
/** Commits that have begun when the attempt ends may take this long. */
const lastCommitsMs = 10_000

/** Writes the records of one subtask to Kafka. */
export class KafkaSinkWriter<T> implements SinkWriter<T> {
  readonly #options: KafkaSinkWriterOptions<T>
  readonly #limits: RetryLimits
  readonly #connection: KafkaClientOptions
  readonly #client: KafkaClient
  readonly #transactions: TransactionClient
  readonly #output: RecordOutput
  readonly #nowMs: () => number
  /** undefined: not exactly-once. */
  readonly #sessions: TransactionSessions | undefined
  readonly #timeoutMs: Promise<number>
  /** Sessions whose transaction no list has: aborted at the end. */
  readonly #unlisted = new Set<ProducerSession>()
  /** Prepared, but of no checkpoint: aborted at the end too. */
  #discarded: readonly PreparedTransaction[] = []
  readonly #intervals = new Set<WriteInterval>()
  #interval: WriteInterval
  /** The transactions' timeout, once it is known. */
  #limitMs: number | undefined
  #opened = false
  #ended = false
  #ending: Promise<void> = Promise.resolve()

  constructor(options: KafkaSinkWriterOptions<T>) {
    const { settings, context } = options
    this.#options = options
    const { unreachableTimeoutMs } = settings.connection
    this.#nowMs = () => context.clock.now()
    const limits: RetryLimits = { unreachableMs: unreachableTimeoutMs, transientMs: unreachableTimeoutMs }
    this.#limits = limits
    this.#connection = {
      bootstrap: settings.brokers ?? defaultKafkaBrokers(),
      settings: settings.connection,
      buffers: new FetchBuffers({ reuse: false }),
      clock: context.clock,
    }
    this.#client = new KafkaClient(this.#connection)
    this.#transactions = new TransactionClient(this.#client, limits)
    this.#output = new RecordOutput({
      client: this.#client,
      transactions: this.#transactions,
      settings,
      limits: { ...limits, transientMs: topicPatienceMs },
      acks: settings.deliveryGuarantee === 'none' ? 1 : -1,
      firstPartition: context.subtaskIndex,
      drained: () => this.#drained(),
      fail: (error) => this.#fail(error),
    })
    const exactlyOnce = settings.deliveryGuarantee === 'exactly-once'
    this.#timeoutMs = exactlyOnce ? this.#transactionTimeout() : Promise.resolve(0)
    this.#timeoutMs.catch(() => {})
    this.#sessions = exactlyOnce ? this.#transactionSessions() : undefined
    this.#interval = this.#nextInterval(this.#sessions?.next() ?? this.#plainSession())
    this.#open().catch((error: unknown) => this.#fail(error))
  }

  get writable(): boolean {
    return this.#opened && this.#output.bufferedBytes < this.#options.settings.maxBufferedBytes
  }

  write(value: T, timestamp: number): void {
    this.#output.write(this.#interval, this.#options.serializer.serialize(value, timestamp, this.#nowMs))
  }

  async prepareCommit(checkpointId: number): Promise<readonly Committable[]> {
    const interval = this.#interval
    const sessions = this.#sessions
    sessions?.rotation.cut(checkpointId)
    this.#refuseOld(interval)
    // Without records its transaction is not listed and stays open for the next interval (R15).
    if (interval.records === 0) return []
    this.#output.sealAll()
    this.#interval = this.#nextInterval(sessions?.next() ?? interval.session)
    const flushed = interval.cut()
    const { session } = interval
    if (sessions !== undefined) sessions.prepared(session, this.#options.context.clock.monotonicMs())
    await flushed
    this.#intervals.delete(interval)
    if (sessions === undefined) return []
    this.#unlisted.delete(session)
    return [preparedTransaction(interval, checkpointId)]
  }

  async commit(committables: readonly Committable[]): Promise<void> {
    await Promise.all(committables.map((committable) => this.#commit(committable as PreparedTransaction)))
  }

  transactionalIdsGranted(mark: number): void {
    this.#sessions?.granted(mark)
  }

  async fence(transactionalIds: readonly string[]): Promise<void> {
    // A new epoch ends whatever an earlier one has open; a short timeout, since nothing will be written under it.
    const rest = [...transactionalIds]
    const fenceNext = async (): Promise<void> => {
      for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
        await this.#transactions.initProducer(id, closingMs)
      }
    }
    await Promise.all(Array.from({ length: fencesAtOnce }, fenceNext))
  }

  discard(committables: readonly Committable[]): void {
    this.#discarded = committables as readonly PreparedTransaction[]
  }

  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    this.#sessions?.close()
    this.#ending = this.#output.stop()
    const error = new MillraceError('MR_SINK', 'the attempt has ended')
    for (const interval of this.#intervals) interval.fail(error)
    this.#options.context.clock.schedule(lastCommitsMs, () => this.#client.close())
  }

  async close(): Promise<void> {
    this.abandon()
    const { clock } = this.#options.context
    await Promise.race([this.#ending.then(() => this.#abortOpen()), delay(clock, closingMs)])
    this.#client.close()
  }

  // ---- opening ----

  async #open(): Promise<void> {
    await this.#options.serializer.open()
    this.#limitMs = await this.#timeoutMs
    await this.#output.locate(this.#options.topics)
    this.#opened = true
    this.#options.context.wake()
  }

  async #transactionTimeout(): Promise<number> {
    const { settings, context } = this.#options
    const longestMs = await this.#longestTransactionMs()
    return transactionTimeoutMs(settings.transactionTimeoutMs, longestMs, context.checkpointing)
  }

  /** Undefined: this client may not ask. The broker still refuses what is too long, without saying what it allows. */
  async #longestTransactionMs(): Promise<number | undefined> {
    const admin = new KafkaAdmin(this.#client, this.#connection)
    try {
      const longestMs = Number(await admin.brokerSetting('transaction.max.timeout.ms', this.#limits))
      return longestMs > 0 ? longestMs : undefined
    } finally {
      admin.close()
    }
  }

  #transactionSessions(): TransactionSessions {
    const { settings, context } = this.#options
    return new TransactionSessions({
      transactions: this.#transactions,
      idBase: transactionalIdBase(settings.transactionalIdPrefix, context.operatorUid, context.attemptId),
      mark: context.transactionalIds.mark,
      timeoutMs: this.#timeoutMs,
      requestIds: (mark) => context.transactionalIds.request(mark),
      ready: () => this.#output.pump(),
      fail: (error) => this.#fail(error),
    })
  }

  /** Without transactions: a producer id only keeps repeats from being doubled. */
  #plainSession(): ProducerSession {
    if (this.#options.settings.deliveryGuarantee === 'none') return new ProducerSession(null, null)
    const session = new ProducerSession(null)
    this.#transactions
      .initProducer(null, 0)
      .then((identity) => {
        session.identity = identity
        this.#output.pump()
      })
      .catch((error: unknown) => this.#fail(error))
    return session
  }

  #nextInterval(session: ProducerSession): WriteInterval {
    const interval = new WriteInterval(session)
    this.#intervals.add(interval)
    this.#unlisted.add(session)
    return interval
  }

  // ---- committing ----

  /**
   * R17: a transaction that the broker could end before its commit is not listed; the region restarts from the last
   * completed checkpoint, so it is replayed and not lost.
   */
  #refuseOld(interval: WriteInterval): void {
    if (this.#sessions === undefined || this.#limitMs === undefined) return
    const { clock, checkpointing } = this.#options.context
    const { beganMs = Number.POSITIVE_INFINITY } = interval.session
    const ageMs = clock.monotonicMs() - Math.min(beganMs, this.#sessions.rotation.oldestPreparedMs())
    if (!isTooOld(ageMs, this.#limitMs, checkpointing)) return
    throw new MillraceError(
      'MR_SINK',
      `a transaction is ${Math.round(ageMs)} ms old: the brokers could end it (after ${this.#limitMs} ms) before its checkpoint is committed`,
    )
  }

  async #commit(transaction: PreparedTransaction): Promise<void> {
    const { transactionalId, producerId, epoch, checkpointId, topics } = transaction
    const lost = await this.#transactions.end(transactionalId, { producerId: BigInt(producerId), epoch }, 'commit')
    if (lost !== undefined) {
      throw new MillraceError(
        'MR_TRANSACTION_LOST',
        `output of checkpoint ${checkpointId} to topic ${topics.join(', ')} is lost: the broker refuses to commit the transaction of ${transactionalId} (producer ${producerId}, epoch ${epoch}): ${brokerErrorName(lost.code)}`,
        { operator: this.#options.context.operatorName },
      )
    }
    this.#sessions?.committed(transactionalId, checkpointId)
  }

  // ---- ending ----

  /** Best effort: what stays open is fenced by another attempt (R16), or ends with the broker's timeout. */
  async #abortOpen(): Promise<void> {
    const limits: RetryLimits = { unreachableMs: closingMs, transientMs: closingMs }
    const transactions = new TransactionClient(this.#client, limits)
    const open = [...this.#unlisted].filter(({ beganMs }) => beganMs !== undefined)
    await Promise.allSettled([
      ...open.map(async ({ transactionalId, identity }) => {
        if (transactionalId === null || identity === undefined || identity === null) return
        await transactions.end(transactionalId, identity, 'abort')
      }),
      ...this.#discarded.map(({ transactionalId, producerId, epoch }) =>
        transactions.end(transactionalId, { producerId: BigInt(producerId), epoch }, 'abort'),
      ),
    ])
  }

  #drained(): void {
    if (this.writable) this.#options.context.wake()
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    for (const interval of this.#intervals) interval.fail(error)
    this.#options.context.fail(error)
  }
}

function preparedTransaction(interval: WriteInterval, checkpointId: number): PreparedTransaction {
  const { transactionalId, identity } = interval.session
  if (transactionalId === null || identity === undefined || identity === null) {
    throw new MillraceError('MR_INTERNAL', 'a transaction was prepared that has no identity')
  }
  const { producerId, epoch } = identity
  return {
    transactionalId,
    producerId: String(producerId),
    epoch,
    checkpointId,
    topics: [...interval.topics],
  }
}
