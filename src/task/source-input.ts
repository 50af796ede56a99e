import type { SourceReader, SourceRecord, SourceSplit } from '../api/source.ts'
import { isMillraceError, MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { endWatermark, noTimestamp } from '../common/timestamps.ts'
import type { SourceSpec } from '../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import { ActiveTime } from './active-time.ts'
import type { ColumnScan } from './columns/column-scan.ts'
import type { DeadLetterOutput } from './dead-letter-output.ts'
import type { OperatorMetrics, Receiver } from './operator.ts'
import { userFunctionError } from './operators/user-function-error.ts'
import { recordsPerBatch } from './record-batch.ts'
import { ChainSourceOutput } from './source-output.ts'
import { StreamWatermarks } from './stream-watermarks.ts'
import type { InputEvent, TaskInput } from './task-input.ts'

export interface SourceInputOptions {
  readonly spec: SourceSpec
  readonly operatorName: string
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly splits: readonly SourceSplit[]
  readonly noMoreSplits: boolean
  readonly receiver: Receiver
  /** Scans values in place of decoding them; undefined: the reader decodes all. */
  readonly scan?: ColumnScan | undefined
  /** undefined: records that can not be decoded fail the task. */
  readonly deadLetters: DeadLetterOutput | undefined
  readonly metrics: OperatorMetrics
  readonly autoWatermarkIntervalMs: number
  readonly clock: Clock
  /** Told before the reader gets its splits, which it may refuse. */
  opened?(reader: SourceReader<unknown>): void
  wake(): void
  fail(error: unknown): void
  /** Before the first record after an idle time. */
  onActive(): void
}

const unknownBytes = { key: null, value: null, timestamp: noTimestamp } as const

const nothing: InputEvent = { type: 'nothing' }
const progress: InputEvent = { type: 'progress' }

/** Drives the reader of a source's subtask, and the watermarks of its splits. */
export class SourceInput implements TaskInput {
  readonly #operatorName: string
  readonly #reader: SourceReader<unknown>
  readonly #output: ChainSourceOutput
  readonly #watermarks: StreamWatermarks
  readonly #clock: Clock
  readonly #activeTime: ActiveTime
  readonly #intervalMs: number
  /** Between two turns of the generators and of idleness. */
  readonly #tickMs: number
  #nextTickAt: number
  readonly #splitIds = new Set<string>()
  #trigger: CheckpointBarrier | undefined
  #settled = 0
  #state: 'reading' | 'lastWatermark' | 'end' | 'ended' = 'reading'

  constructor(options: SourceInputOptions) {
    const { spec, operatorName, clock, autoWatermarkIntervalMs, subtaskIndex, parallelism } = options
    this.#operatorName = operatorName
    this.#clock = clock
    this.#intervalMs = autoWatermarkIntervalMs
    this.#watermarks = new StreamWatermarks(spec.watermarks, operatorName)
    this.#watermarks.onActive = () => options.onActive()
    this.#tickMs = tickMs(autoWatermarkIntervalMs, spec.watermarks.idleTimeoutMs)
    this.#activeTime = new ActiveTime(clock, 2 * this.#tickMs)
    this.#nextTickAt = this.#watermarks.periodic ? clock.monotonicMs() + this.#tickMs : Number.POSITIVE_INFINITY
    this.#output = new ChainSourceOutput({
      ...options,
      watermarks: this.#watermarks,
      currentRecord: () => this.currentRecord(),
    })
    this.#reader = spec.source.createReader({
      subtaskIndex,
      parallelism,
      operatorName,
      clock,
      wake: () => options.wake(),
      fail: (error) => options.fail(error),
    })
    options.opened?.(this.#reader)
    this.addSplits(options.splits)
    if (options.noMoreSplits) this.#reader.noMoreSplits()
  }

  get nextDeadline(): number {
    return this.#state === 'reading' ? this.#nextTickAt : Number.POSITIVE_INFINITY
  }

  get watermark(): number {
    return this.#state === 'reading' || this.#state === 'lastWatermark' ? this.#watermarks.watermark : endWatermark
  }

  get recordsIn(): number {
    return this.#output.records
  }

  get lag(): number {
    return this.#reader.lag?.() ?? Number.NaN
  }

  /** Those that it has already are left out: a new leader tells all again (R22, R23). */
  addSplits(splits: readonly SourceSplit[]): void {
    const added = splits.filter(({ id }) => !this.#splitIds.has(id))
    if (added.length === 0) return
    for (const { id } of added) {
      this.#splitIds.add(id)
      this.#watermarks.addPart(id)
    }
    this.#reader.addSplits(added)
  }

  /** Stops as if the input had ended (`--drain`). */
  drain(): void {
    if (this.#state === 'reading') this.#state = 'lastWatermark'
  }

  /** The record that the chain has now; undefined: none. */
  currentRecord(): SourceRecord | undefined {
    if (!this.#output.emitting) return undefined
    const place = this.#place()
    return this.#reader.currentRecord?.() ?? { place: place ?? `source "${this.#operatorName}"`, ...unknownBytes }
  }

  snapshotSplits(): readonly SourceSplit[] {
    return this.#reader.snapshot()
  }

  poll(takesRecords = true): InputEvent {
    if (this.#trigger !== undefined && this.#state === 'reading' && !this.#watermarks.empty) {
      // Generators begin anew in a restored task: what they have said of records before the barrier goes before it.
      const event = this.#watermarks.nextEvent()
      if (event !== undefined) return event
    }
    const barrier = this.#takeTrigger()
    if (barrier !== undefined) return { type: 'barrier', barrier, alignmentMs: 0 }
    switch (this.#state) {
      case 'reading':
        return takesRecords ? this.#read() : nothing
      case 'lastWatermark':
        this.#state = 'end'
        return { type: 'watermark', watermark: endWatermark }
      case 'end':
        this.#state = 'ended'
        return { type: 'ended' }
      case 'ended':
        return nothing
      default: {
        const never: never = this.#state
        throw new TypeError(`unknown state ${String(never)}`)
      }
    }
  }

  advanceActiveTime(reading: boolean): void {
    this.#activeTime.advance(reading)
  }

  trigger(barrier: CheckpointBarrier): void {
    if (barrier.id > this.#settled && barrier.id > (this.#trigger?.id ?? 0)) this.#trigger = barrier
  }

  aborted(checkpointId: number): void {
    this.#settled = Math.max(this.#settled, checkpointId)
    if (this.#trigger !== undefined && this.#trigger.id <= checkpointId) this.#trigger = undefined
  }

  async close(): Promise<void> {
    await this.#reader.close()
  }

  #takeTrigger(): CheckpointBarrier | undefined {
    const barrier = this.#trigger
    if (barrier === undefined) return undefined
    this.#trigger = undefined
    this.#settled = barrier.id
    return barrier
  }

  #read(): InputEvent {
    // Without splits it is idle, or at its end, which the reader knows: idle at the end, it would hold back nothing of what
    // its last watermark is to bring.
    const event = this.#watermarks.empty ? undefined : this.#watermarks.nextEvent()
    if (event !== undefined) return event
    const before = this.#output.records
    const result = this.#pollReader()
    if (result === 'ended') {
      this.#state = 'lastWatermark'
      return progress
    }
    const emitted = this.#output.records > before
    // After the records, so that one turn of reading lies between a stall and the judgement of idleness (R19, R26).
    const now = this.#clock.monotonicMs()
    if (now >= this.#nextTickAt || (emitted && this.#intervalMs === 0)) this.#tick(now, result !== 'blocked')
    else if (result === 'blocked') this.#activeTime.advance(false)
    return emitted || result === 'records' ? progress : (this.#watermarks.nextEvent() ?? nothing)
  }

  #tick(now: number, reading: boolean): void {
    if (this.#watermarks.periodic) this.#nextTickAt = now + this.#tickMs
    this.#watermarks.tick(this.#activeTime.advance(reading))
  }

  #pollReader(): ReturnType<SourceReader<unknown>['poll']> {
    try {
      return this.#reader.poll(this.#output, recordsPerBatch)
    } catch (error) {
      if (!this.#output.emitting) throw userFunctionError(error, this.#operatorName, 'the reader')
      throw this.#withPlace(error)
    }
  }

  #place(): string | undefined {
    const split = this.#output.splitId
    return this.#reader.currentPlace?.() ?? (split === undefined ? undefined : `split ${split}`)
  }

  /** In the task of the source a record is named by its place. */
  #withPlace(error: unknown): MillraceError {
    const place = this.#place()
    const wrapped = userFunctionError(error, this.#operatorName, 'the reader')
    if (place === undefined) return wrapped
    return new MillraceError(
      wrapped.code,
      `${wrapped.message.replace(/\.$/, '')}; the record is at ${place} of source "${this.#operatorName}"`,
      {
        cause: isMillraceError(error) ? (error.cause ?? error) : error,
        ...(wrapped.operator === undefined ? {} : { operator: wrapped.operator }),
      },
    )
  }
}

function tickMs(intervalMs: number, idleTimeoutMs: number | undefined): number {
  if (intervalMs > 0) return intervalMs
  return idleTimeoutMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, idleTimeoutMs / 2)
}
