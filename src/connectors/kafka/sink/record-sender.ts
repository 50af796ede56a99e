import { MillraceError, messageOf } from '../../../common/errors.ts'
import type { Timer } from '../../../common/ports.ts'
import { brokerError, brokerErrorName, isTransient } from '../broker-errors.ts'
import { backOffMs, type KafkaClient, partitionKey } from '../kafka-client.ts'
import type { PartitionQueue, SealedBatch } from './partition-queue.ts'
import { decodeProduceAnswer, encodeProduceRequest, produceApis } from './produce-protocol.ts'
import type { ProducerSession } from './producer-session.ts'
import { stampBatch } from './record-batch-builder.ts'
import type { TransactionClient } from './transaction-client.ts'

/** Of one request, where it has more than one batch. */
const maxRequestBytes = 8 << 20
const duplicateSequence = 46
const tooLarge: ReadonlySet<number> = new Set([10, 18])
/** Codes that pass, besides those of a consumer: replicas are missing, a batch was damaged on its way, a transaction is being completed. */
const passing: ReadonlySet<number> = new Set([2, 19, 20, 51])

export interface RecordSenderOptions {
  readonly client: KafkaClient
  readonly transactions: TransactionClient
  readonly acks: -1 | 1
  readonly requestTimeoutMs: number
  /** How long a batch is tried. */
  readonly deliveryTimeoutMs: number
  /** The topics whose leaders are asked for. */
  topics(): readonly string[]
  /** A batch is in Kafka. */
  delivered(batch: SealedBatch): void
  fail(error: unknown): void
}

interface Sending {
  readonly queue: PartitionQueue
  readonly batch: SealedBatch
}

/** Batches of one session for one broker. */
interface Request {
  readonly leader: number
  readonly sendings: Sending[]
}

/**
 * Sends batches to the leaders of their partitions. Each partition has one batch on its way; what is tried again carries
 * the same numbers, so that the broker takes it once and in order, whoever leads the partition by then.
 */
export class RecordSender {
  readonly #options: RecordSenderOptions
  /** With a batch that waits, in the order in which they came. */
  readonly #waiting = new Set<PartitionQueue>()
  #retryTimer: Timer | undefined
  #failures = 0
  #requests = 0
  #idle: (() => void) | undefined
  #stopped = false

  constructor(options: RecordSenderOptions) {
    this.#options = options
  }

  /** The queue has batches that wait. */
  offer(queue: PartitionQueue): void {
    if (queue.ready.length > 0) this.#waiting.add(queue)
  }

  /** Sends what can be sent now. */
  pump(): void {
    if (this.#stopped || this.#retryTimer !== undefined) return
    const requests = new Map<string, Request>()
    const claims = new Map<ProducerSession, PartitionQueue[]>()
    for (const queue of this.#waiting) {
      const batch = queue.ready[0]
      if (batch === undefined || queue.inFlight) continue
      const { session } = batch.interval
      if (session.isReadyFor(queue.key)) this.#collect(requests, { queue, batch })
      else if (session.claim(queue.key)) claims.set(session, [...(claims.get(session) ?? []), queue])
    }
    for (const [session, queues] of claims) void this.#count(this.#addPartitions(session, queues))
    for (const { leader, sendings } of requests.values()) {
      for (const part of bySize(sendings)) void this.#count(this.#send(leader, part))
    }
  }

  #collect(requests: Map<string, Request>, sending: Sending): void {
    const leader = this.#options.client.leaderOf(sending.queue)
    if (leader === undefined) {
      this.#tryLater()
      return
    }
    const key = `${leader} ${sending.batch.interval.session.transactionalId ?? ''}`
    const request = requests.get(key) ?? { leader, sendings: [] }
    request.sendings.push(sending)
    requests.set(key, request)
  }

  stop(): void {
    this.#stopped = true
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    this.#waiting.clear()
  }

  /** Resolves when no request is on its way. */
  async idle(): Promise<void> {
    if (this.#requests === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    await promise
  }

  async #count(request: Promise<void>): Promise<void> {
    this.#requests++
    await request
    this.#requests--
    if (this.#requests === 0) this.#idle?.()
  }

  async #addPartitions(session: ProducerSession, queues: readonly PartitionQueue[]): Promise<void> {
    const { transactionalId, identity } = session
    if (transactionalId === null || identity === undefined || identity === null) return
    session.beganMs ??= this.#options.client.clock.monotonicMs()
    try {
      await this.#options.transactions.addPartitions(transactionalId, identity, queues)
      for (const { key } of queues) session.added(key)
      this.pump()
    } catch (error) {
      this.#fail(error)
    }
  }

  async #send(leader: number, sendings: readonly Sending[]): Promise<void> {
    const { client, acks, requestTimeoutMs } = this.#options
    for (const { queue, batch } of sendings) {
      queue.inFlight = true
      prepare(queue, batch)
    }
    const body = encodeProduceRequest({
      transactionalId: sendings[0]?.batch.interval.session.transactionalId ?? null,
      acks,
      timeoutMs: requestTimeoutMs,
      batches: sendings.map(({ queue, batch }) => ({
        topic: queue.topic,
        partition: queue.partition,
        bytes: batch.bytes,
      })),
    })
    try {
      const answers = decodeProduceAnswer(await client.send(leader, produceApis.produce, body))
      const codes = new Map(answers.map((answer) => [partitionKey(answer), answer.errorCode]))
      for (const sending of sendings) this.#answered(sending, codes.get(sending.queue.key) ?? -1)
    } catch (error) {
      for (const sending of sendings) this.#failed(sending, error)
    }
    this.pump()
  }

  #answered(sending: Sending, code: number): void {
    const { queue, batch } = sending
    if (code === 0 || code === duplicateSequence) {
      queue.inFlight = false
      queue.ready.shift()
      if (queue.ready.length === 0) this.#waiting.delete(queue)
      this.#failures = 0
      this.#options.delivered(batch)
    } else if (isTransient(code) || passing.has(code)) {
      this.#failed(sending, brokerError(code, describe(sending)))
    } else {
      this.#fail(refusal(code, sending))
    }
  }

  /** Nobody knows whether the batch is in the log: it is sent again with its numbers. */
  #failed({ queue, batch }: Sending, error: unknown): void {
    const { client, deliveryTimeoutMs } = this.#options
    const now = client.clock.monotonicMs()
    queue.inFlight = false
    batch.tries++
    batch.failingSinceMs ??= now
    client.forgetLeader(queue)
    if (now - batch.failingSinceMs > deliveryTimeoutMs) {
      const text = `${describe({ queue, batch })}: given up after ${batch.tries} tries in ${deliveryTimeoutMs} ms: ${messageOf(error)}`
      this.#fail(new MillraceError('MR_KAFKA_UNREACHABLE', text, { cause: error }))
      return
    }
    this.#tryLater()
  }

  /** After a pause, with fresh metadata. */
  #tryLater(): void {
    if (this.#stopped || this.#retryTimer !== undefined) return
    const { client } = this.#options
    this.#retryTimer = client.clock.schedule(backOffMs(this.#failures), () => void this.#refresh())
    this.#failures++
  }

  async #refresh(): Promise<void> {
    try {
      await this.#options.client.refreshMetadata(this.#options.topics())
    } catch {
      // Brokers that are away show in the batches, which have a time limit.
    }
    this.#retryTimer = undefined
    this.#expire()
    this.pump()
  }

  /** Batches whose partition has had no leader for too long. */
  #expire(): void {
    const { client, deliveryTimeoutMs } = this.#options
    const now = client.clock.monotonicMs()
    for (const queue of this.#waiting) {
      const batch = queue.ready[0]
      if (batch === undefined || queue.inFlight || client.leaderOf(queue) !== undefined) continue
      batch.failingSinceMs ??= now
      if (now - batch.failingSinceMs <= deliveryTimeoutMs) continue
      this.#fail(
        new MillraceError(
          'MR_KAFKA_UNREACHABLE',
          `${describe({ queue, batch })}: the partition has had no leader for ${deliveryTimeoutMs} ms`,
        ),
      )
      return
    }
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#options.fail(error)
  }
}

/** Its numbers are given once, in the order of sending. */
function prepare(queue: PartitionQueue, batch: SealedBatch): void {
  const { session } = batch.interval
  if (batch.sequence !== undefined) return
  batch.sequence = session.takeSequence(queue.key, batch.count)
  const { identity, transactionalId } = session
  const transactional = transactionalId !== null
  stampBatch(
    batch.bytes,
    identity === undefined || identity === null ? undefined : { ...identity, sequence: batch.sequence, transactional },
  )
}

function bySize(sendings: readonly Sending[]): readonly (readonly Sending[])[] {
  const parts: Sending[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const sending of sendings) {
    size += sending.batch.bytes.length
    if (size > maxRequestBytes) {
      parts.push([])
      size = sending.batch.bytes.length
    }
    parts.at(-1)?.push(sending)
  }
  return parts
}

function describe({ queue, batch }: Sending): string {
  return `writing ${batch.count} records to topic ${queue.topic}, partition ${queue.partition}`
}

function refusal(code: number, sending: Sending): MillraceError {
  const what = describe(sending)
  if (tooLarge.has(code)) {
    const { batch } = sending
    const text = `${what}: the batch of ${batch.bytes.length} bytes is larger than the topic's max.message.bytes: lower batchBytes, or raise that: ${brokerErrorName(code)}`
    return new MillraceError('MR_SINK', text)
  }
  return brokerError(code, what)
}
