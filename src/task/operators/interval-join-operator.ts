import type { ProcessJoinContext } from '../../api/co-functions.ts'
import type { OutputTag } from '../../api/functions.ts'
import type { MapState } from '../../api/state.ts'
import type { DataType, DeclaredType } from '../../formats/data-type.ts'
import type { IntervalJoinSpec } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { InputReceiver, OperatorContext, OperatorSnapshot } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { assertTimestamp, LateRecords } from './late-records.ts'
import { OperatorBase } from './operator-base.ts'
import { SideOutputs } from './side-outputs.ts'
import { TimerQueue } from './timer-queue.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'

/** The records of one stream that still wait for partners, and what they are matched with. */
interface Side {
  readonly keys: KeySelection
  readonly late: LateRecords
  /** The current key's records by their time, whole milliseconds. */
  readonly buffer: MapState<number, unknown[]>
  /** Partners are from `from` to `to` after a record of this side. */
  readonly from: number
  readonly to: number
  /** How long after its own time the last partner of a record can come: Flink's cleanup time. */
  readonly keptMs: number
}

/** Joins records of two keyed streams by event time, as Flink's IntervalJoinOperator. */
export class IntervalJoinOperator extends OperatorBase {
  readonly secondInput: InputReceiver = {
    processElement: (value, timestamp) => {
      this.#right.keys.select(value)
      this.#join(this.#right, value, timestamp)
    },
    processHashedElement: (value, timestamp, keyHash) => {
      this.#right.keys.selectHashed(value, keyHash)
      this.#join(this.#right, value, timestamp)
    },
  }
  readonly #spec: IntervalJoinSpec
  readonly #left: Side
  readonly #right: Side
  readonly #cleanups: TimerQueue
  readonly #pair: PairContext
  readonly #collector: TimestampedCollector
  readonly #cleanUp = (timestamp: number): void => {
    this.#left.buffer.remove(timestamp - this.#left.keptMs)
    this.#right.buffer.remove(timestamp - this.#right.keptMs)
  }

  constructor(spec: IntervalJoinSpec, context: OperatorContext) {
    super(context)
    this.#spec = spec
    const leftKeys = new KeySelection(context)
    const rightKeys = new KeySelection({ ...context, keySelector: spec.secondKeySelector })
    const { keyedState } = leftKeys
    const { lowerBoundMs: lower, upperBoundMs: upper } = spec
    this.#left = {
      keys: leftKeys,
      late: new LateRecords(spec.leftLateTag, context),
      buffer: bufferOf(keyedState, '$left', spec.leftType),
      from: lower,
      to: upper,
      keptMs: Math.max(upper, 0),
    }
    this.#right = {
      keys: rightKeys,
      late: new LateRecords(spec.rightLateTag, context),
      buffer: bufferOf(keyedState, '$right', spec.rightType),
      from: -upper,
      to: -lower,
      keptMs: Math.max(-lower, 0),
    }
    this.#cleanups = new TimerQueue(keyedState.panes<boolean>('$cleanups', { type: { kind: 'boolean' } }))
    this.#pair = new PairContext(context)
    this.#collector = new TimestampedCollector(context)
  }

  processElement(value: unknown, timestamp: number): void {
    this.#left.keys.select(value)
    this.#join(this.#left, value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#left.keys.selectHashed(value, keyHash)
    this.#join(this.#left, value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#pair.currentWatermark = this.currentWatermark
    return this.#cleanups.fireDue(this.currentWatermark, maxFirings, this.#cleanUp)
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#left.keys.keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #join(side: Side, value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    assertTimestamp(timestamp, this.operatorName)
    const time = Math.floor(timestamp)
    if (time < this.currentWatermark) {
      side.late.take(value, timestamp)
      return
    }
    this.#joinWithPartners(side, value, time)
    // Only now: a record that becomes a dead letter waits for no partners. A new list: state that was handed out is not
    // changed in place (R6).
    side.buffer.put(time, [...(side.buffer.get(time) ?? []), value])
    this.#cleanups.register(time + side.keptMs)
  }

  #joinWithPartners(side: Side, value: unknown, time: number): void {
    const other = side === this.#left ? this.#right : this.#left
    for (const partnerTime of timesBetween(other.buffer, time + side.from, time + side.to)) {
      for (const partner of other.buffer.get(partnerTime) ?? []) {
        if (side === this.#left) this.#emit(value, time, partner, partnerTime)
        else this.#emit(partner, partnerTime, value, time)
      }
    }
  }

  #emit(left: unknown, leftTimestamp: number, right: unknown, rightTimestamp: number): void {
    this.#pair.leftTimestamp = leftTimestamp
    this.#pair.rightTimestamp = rightTimestamp
    this.#collector.timestamp = this.#pair.timestamp
    try {
      this.#spec.process.processElement(left, right, this.#pair, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processElement')
    }
  }
}

/** In the order of time, whatever order a restore has brought them into. */
function timesBetween(buffer: MapState<number, unknown[]>, from: number, to: number): readonly number[] {
  const times: number[] = []
  for (const time of buffer.keys()) if (time >= from && time <= to) times.push(time)
  return times.length > 1 ? times.sort((left, right) => left - right) : times
}

function bufferOf(keyedState: KeyedStateBackend, name: string, type: DataType<unknown>): MapState<number, unknown[]> {
  const items: DataType<unknown[]> =
    type.kind === 'untyped' ? { kind: 'untyped' } : { kind: 'array', items: type as DeclaredType<unknown> }
  return keyedState.mapState<number, unknown[]>({ kind: 'map', name, type: items })
}

/** What the function sees of the pair at hand; one object, changed from pair to pair. */
class PairContext implements ProcessJoinContext {
  leftTimestamp = 0
  rightTimestamp = 0
  currentWatermark: number
  readonly #sideOutputs: SideOutputs

  constructor(context: OperatorContext) {
    this.#sideOutputs = new SideOutputs(context)
    this.currentWatermark = context.restoredWatermark
  }

  get timestamp(): number {
    return Math.max(this.leftTimestamp, this.rightTimestamp)
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#sideOutputs.emit(tag, value, this.timestamp)
  }
}
