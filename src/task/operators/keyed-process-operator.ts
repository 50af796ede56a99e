import type { Key, KeyedProcessFunction } from '../../api/functions.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedOpeningContext } from './opening-context.ts'
import { OperatorBase } from './operator-base.ts'
import { TimerQueue } from './timer-queue.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'

/** A function on a keyed stream, with keyed state and timers. */
export class KeyedProcessOperator extends OperatorBase {
  readonly #process: KeyedProcessFunction<Key, unknown, unknown>
  readonly #keys: KeySelection
  readonly #eventTimeTimers: TimerQueue
  readonly #processingTimeTimers: TimerQueue
  readonly #elementContext: KeyedElementContext
  readonly #collector: TimestampedCollector
  readonly #fireEventTime = (timestamp: number): void => this.#fire('event-time', timestamp)
  readonly #fireProcessingTime = (timestamp: number): void => this.#fire('processing-time', timestamp)

  constructor(process: KeyedProcessFunction<Key, unknown, unknown>, context: OperatorContext) {
    super(context)
    this.#process = process
    this.#keys = new KeySelection(context)
    const { keyedState } = this.#keys
    const eventTime = timersOf(keyedState, 'event-time')
    const processingTime = timersOf(keyedState, 'processing-time')
    this.#eventTimeTimers = eventTime
    this.#processingTimeTimers = processingTime
    this.#elementContext = new KeyedElementContext(context, keyedState, {
      registerEventTimeTimer: (timestamp) => eventTime.register(timestamp),
      deleteEventTimeTimer: (timestamp) => eventTime.delete(timestamp),
      registerProcessingTimeTimer: (timestamp) => processingTime.register(timestamp),
      deleteProcessingTimeTimer: (timestamp) => processingTime.delete(timestamp),
    })
    this.#collector = new TimestampedCollector(context)
  }

  override open(): void {
    const opening = new KeyedOpeningContext(this.context, this.#keys.keyedState)
    try {
      this.#process.open?.(opening)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'open')
    }
    opening.close()
  }

  processElement(value: unknown, timestamp: number): void {
    this.#keys.select(value)
    this.#processSelected(value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.#keys.selectHashed(value, keyHash)
    this.#processSelected(value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#elementContext.currentWatermark = this.currentWatermark
    return this.#eventTimeTimers.fireDue(this.currentWatermark, maxFirings, this.#fireEventTime)
  }

  override advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#processingTimeTimers.fireDue(now, maxFirings, this.#fireProcessingTime)
  }

  override nextProcessingTime(): number {
    return this.#processingTimeTimers.nextTimestamp()
  }

  override endInput(): void {
    try {
      this.#process.close?.()
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'close')
    }
    // They would fire in a task that is restored only to commit, and has nobody to send to (R12).
    this.#processingTimeTimers.clear()
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: this.context.operatorState.snapshot(),
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #processSelected(value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    this.#elementContext.timestamp = timestamp
    this.#elementContext.outputTimestamp = timestamp
    this.#collector.timestamp = timestamp
    try {
      this.#process.processElement(value, this.#elementContext, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'processElement')
    }
  }

  /** What an event-time timer emits carries its time; a processing-time timer says nothing about event time. */
  #fire(timeDomain: 'event-time' | 'processing-time', timestamp: number): void {
    const outputTimestamp = timeDomain === 'event-time' ? timestamp : noTimestamp
    this.#elementContext.timestamp = timestamp
    this.#elementContext.outputTimestamp = outputTimestamp
    this.#elementContext.timeDomain = timeDomain
    this.#collector.timestamp = outputTimestamp
    try {
      this.#process.onTimer?.(timestamp, this.#elementContext, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'onTimer')
    }
  }
}

function timersOf(keyedState: KeyedStateBackend, timeDomain: 'event-time' | 'processing-time'): TimerQueue {
  return new TimerQueue(keyedState.panes<boolean>(`$timers-${timeDomain}`, { type: { kind: 'boolean' } }))
}
