import { MillraceError } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import { brokerError, brokerErrorCode, isTransient } from './broker-errors.ts'
import type { FetchBuffers } from './fetch-buffers.ts'
import {
  decodeFetchAnswer,
  encodeFetchRequest,
  type FetchAnswer,
  type FetchedPartition,
  type FetchLimits,
} from './fetch-protocol.ts'
import { backOffMs, isUnreachable, type KafkaClient, partitionKey } from './kafka-client.ts'
import { type IsolationLevel, kafkaApis } from './kafka-protocol.ts'
import type { PartitionReading } from './partition-reading.ts'
import { offsetAfterBatches } from './record-batch.ts'
import type { RecordRegion } from './record-cursor.ts'

/** The records of one partition out of an answer, to be decoded. */
export interface FetchedRegion extends RecordRegion {
  readonly reading: PartitionReading
  readonly answer: WaitingAnswer
}

interface WaitingAnswer {
  readonly bytes: Buffer
  readonly fetch: BrokerFetch
  regionsLeft: number
}

/** The fetching from one broker. */
interface BrokerFetch {
  readonly nodeId: number
  inFlight: boolean
  /** Answers that are decoded or wait to be. */
  waiting: number
}

export interface PartitionFetcherOptions {
  readonly client: KafkaClient
  readonly clock: Clock
  readonly buffers: FetchBuffers
  readonly limits: FetchLimits
  readonly isolation: IsolationLevel
  /** How long no broker may be reachable. */
  readonly unreachableTimeoutMs: number
  /** There is something to `take`, or a partition has come to its end. */
  wake(): void
  fail(error: unknown): void
}

/** Two wait at most: one is decoded while the other is ready. Nothing is fetched beyond, which is the backpressure on Kafka. */
const maxWaitingAnswers = 2
/** How long a partition may be unknown before its topic counts as deleted: brokers forget it for a moment when they start. */
const missingLimitMs = 15_000

/** Fetches the partitions of one reader, from all their leaders at the same time. */
export class PartitionFetcher {
  readonly #options: PartitionFetcherOptions
  /** In the order in which brokers are asked; a partition that was served goes to the end, so that none starves. */
  #readings: PartitionReading[] = []
  readonly #fetches = new Map<number, BrokerFetch>()
  readonly #ready: FetchedRegion[] = []
  #refreshing = false
  /** Since when no broker has answered anything. */
  #unreachableSinceMs: number | undefined
  #closed = false

  constructor(options: PartitionFetcherOptions) {
    this.#options = options
  }

  add(readings: readonly PartitionReading[]): void {
    this.#readings.push(...readings)
    this.#request()
  }

  /** The next region, in the order of arrival; it must be given back by `release`. */
  take(): FetchedRegion | undefined {
    return this.#ready.shift()
  }

  /** Nothing points into the region any more, unless fetch buffers are not used again. */
  release({ answer }: FetchedRegion): void {
    answer.regionsLeft--
    if (answer.regionsLeft > 0) return
    answer.fetch.waiting--
    this.#options.buffers.release(answer.bytes)
    this.#request()
  }

  close(): void {
    this.#closed = true
    this.#ready.length = 0
    this.#options.client.close()
  }

  /** Sends what can be sent now: at most one fetch a broker, none while two of its answers wait. */
  #request(): void {
    if (this.#closed) return
    const { client, clock } = this.#options
    const now = clock.monotonicMs()
    const wanted = this.#readings.filter(
      ({ fetchOffset, end, pausedUntilMs }) => fetchOffset < end && pausedUntilMs <= now,
    )
    for (const [leader, ofLeader] of Map.groupBy(wanted, (reading) => client.leaderOf(reading))) {
      if (leader === undefined) this.#refresh(ofLeader)
      else this.#fetch(leader, ofLeader)
    }
  }

  #fetch(nodeId: number, readings: readonly PartitionReading[]): void {
    const fetch = this.#fetches.get(nodeId) ?? { nodeId, inFlight: false, waiting: 0 }
    this.#fetches.set(nodeId, fetch)
    if (fetch.inFlight || fetch.waiting >= maxWaitingAnswers) return
    fetch.inFlight = true
    const { client, limits, isolation } = this.#options
    const targets = readings.map(({ topic, partition, fetchOffset }) => ({ topic, partition, offset: fetchOffset }))
    client
      .send(nodeId, kafkaApis.fetch, encodeFetchRequest(targets, limits, isolation))
      .finally(() => {
        fetch.inFlight = false
      })
      .then((bytes) => this.#received(fetch, readings, decodeFetchAnswer(bytes)))
      .catch((error: unknown) => this.#failed(readings, error))
  }

  /** Asks who leads these partitions. */
  #refresh(readings: readonly PartitionReading[]): void {
    if (this.#refreshing) return
    this.#refreshing = true
    const { client } = this.#options
    client
      .refreshMetadata([...new Set(readings.map(({ topic }) => topic))])
      .finally(() => {
        this.#refreshing = false
      })
      .then(() => {
        this.#unreachableSinceMs = undefined
        const without = readings.filter((reading) => client.leaderOf(reading) === undefined)
        for (const reading of without) this.#retryLater(reading)
        this.#request()
      })
      .catch((error: unknown) => this.#failed(readings, error))
  }

  #received(fetch: BrokerFetch, readings: readonly PartitionReading[], answer: FetchAnswer): void {
    if (this.#closed) return
    this.#unreachableSinceMs = undefined
    if (answer.errorCode !== brokerErrorCode.none) {
      if (!isTransient(answer.errorCode)) throw brokerError(answer.errorCode, 'fetching records')
      for (const reading of readings) this.#retryLater(reading)
    }
    if (answer.throttleMs > 0) this.#pause(readings, answer.throttleMs)
    const isEmpty = answer.throttleMs === 0 && answer.partitions.every(({ start, end }) => start === end)
    const byKey = new Map(readings.map((reading) => [partitionKey(reading), reading]))
    const regions: FetchedRegion[] = []
    const waiting = { bytes: answer.bytes, fetch, regionsLeft: 0 }
    for (const fetched of answer.partitions) {
      const reading = byKey.get(partitionKey(fetched))
      if (reading === undefined || this.#hasError(reading, fetched)) continue
      this.#advance(reading, fetched, answer.bytes, isEmpty)
      if (fetched.end > fetched.start) regions.push(this.#region(reading, fetched, waiting))
    }
    this.#deliver(regions, waiting)
    this.#request()
  }

  #deliver(regions: readonly FetchedRegion[], waiting: WaitingAnswer): void {
    if (regions.length === 0) {
      this.#options.buffers.release(waiting.bytes)
      return
    }
    waiting.regionsLeft = regions.length
    waiting.fetch.waiting++
    this.#ready.push(...regions)
    const served = new Set(regions.map(({ reading }) => reading))
    this.#readings = [...this.#readings.filter((reading) => !served.has(reading)), ...served]
    this.#options.wake()
  }

  #region(reading: PartitionReading, fetched: FetchedPartition, answer: WaitingAnswer): FetchedRegion {
    const { topic, partition, start, end } = fetched
    const aborted = this.#options.isolation === 'read_committed' ? fetched.aborted : undefined
    return { topic, partition, start, end, aborted, bytes: answer.bytes, reading, answer }
  }

  /** @param isEmpty no partition of the answer has records: the log has none from `fetchOffset` on that may be read now */
  #advance(reading: PartitionReading, fetched: FetchedPartition, bytes: Buffer, isEmpty: boolean): void {
    const { start, end, lastStableOffset, highWatermark } = fetched
    reading.readableEnd = this.#options.isolation === 'read_committed' ? lastStableOffset : highWatermark
    reading.missingSinceMs = undefined
    reading.failures = 0
    if (start < end) {
      reading.fetchOffset = offsetAfterBatches(bytes, start, end, reading.fetchOffset)
    } else if (isEmpty && reading.end <= reading.readableEnd && reading.position === reading.fetchOffset) {
      // Compaction has removed whatever stood before the end: it is reached all the same (R18).
      reading.fetchOffset = reading.end
      reading.position = reading.end
      this.#options.wake()
    }
  }

  /** True where the answer has an error for this partition: it is tried again, or the source fails. */
  #hasError(reading: PartitionReading, fetched: FetchedPartition): boolean {
    const { errorCode } = fetched
    if (errorCode === brokerErrorCode.none) return false
    if (errorCode === brokerErrorCode.offsetOutOfRange) throw outOfRange(reading)
    const error = brokerError(errorCode, `fetching ${reading.place}`)
    if (!isTransient(errorCode)) throw error
    if (errorCode === brokerErrorCode.unknownTopicOrPartition) this.#checkMissing(reading, error)
    this.#retryLater(reading)
    return true
  }

  #checkMissing(reading: PartitionReading, error: MillraceError): void {
    const now = this.#options.clock.monotonicMs()
    reading.missingSinceMs ??= now
    if (now - reading.missingSinceMs > missingLimitMs) throw error
  }

  /** A request failed: brokers that are away are waited for, anything else fails the source. */
  #failed(readings: readonly PartitionReading[], error: unknown): void {
    if (this.#closed) return
    const { clock, unreachableTimeoutMs } = this.#options
    const now = clock.monotonicMs()
    this.#unreachableSinceMs ??= now
    if (!isUnreachable(error) || now - this.#unreachableSinceMs > unreachableTimeoutMs) {
      this.close()
      this.#options.fail(error)
      return
    }
    for (const reading of readings) this.#retryLater(reading)
    this.#request()
  }

  /** After a back-off, and after a look at who leads the partition now. */
  #retryLater(reading: PartitionReading): void {
    this.#options.client.forgetLeader(reading)
    this.#pause([reading], backOffMs(reading.failures))
    reading.failures++
  }

  #pause(readings: readonly PartitionReading[], pauseMs: number): void {
    const { clock } = this.#options
    const until = clock.monotonicMs() + pauseMs
    for (const reading of readings) reading.pausedUntilMs = Math.max(reading.pausedUntilMs, until)
    clock.schedule(pauseMs + 1, () => this.#request())
  }
}

/** R18: never a silent jump to another offset. */
function outOfRange(reading: PartitionReading): MillraceError {
  return new MillraceError(
    'MR_KAFKA_OFFSET',
    `${reading.place}: offset ${reading.fetchOffset} is outside of the log: its records were deleted before they were read, or the topic was made anew`,
  )
}
