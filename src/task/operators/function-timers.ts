import type { Collector, Key, OnTimerContext, TimerService } from '../../api/functions.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'
import type { KeyedElementContext } from './keyed-element-context.ts'
import { TimerQueue } from './timer-queue.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'

export type OnTimer<Context extends OnTimerContext<Key>> = (
  timestamp: number,
  context: Context,
  out: Collector<unknown>,
) => void

/** What a function on a keyed stream sees and writes to, and its timers of both time domains. */
export class FunctionTimers<Context extends KeyedElementContext = KeyedElementContext> {
  readonly elementContext: Context
  readonly collector: TimestampedCollector
  readonly #eventTimeTimers: TimerQueue
  readonly #processingTimeTimers: TimerQueue
  readonly #operatorName: string
  readonly #onTimer: OnTimer<Context> | undefined
  readonly #fireEventTime = (timestamp: number): void => this.#fire('event-time', timestamp)
  readonly #fireProcessingTime = (timestamp: number): void => this.#fire('processing-time', timestamp)

  constructor(
    context: OperatorContext,
    keyedState: KeyedStateBackend,
    contextOf: (timers: TimerService) => Context,
    onTimer: OnTimer<Context> | undefined,
  ) {
    const eventTime = timersOf(keyedState, 'event-time')
    const processingTime = timersOf(keyedState, 'processing-time')
    this.#eventTimeTimers = eventTime
    this.#processingTimeTimers = processingTime
    this.#operatorName = context.operatorName
    this.#onTimer = onTimer
    this.collector = new TimestampedCollector(context)
    this.elementContext = contextOf({
      registerEventTimeTimer: (timestamp) => eventTime.register(timestamp),
      deleteEventTimeTimer: (timestamp) => eventTime.delete(timestamp),
      registerProcessingTimeTimer: (timestamp) => processingTime.register(timestamp),
      deleteProcessingTimeTimer: (timestamp) => processingTime.delete(timestamp),
    })
  }

  /** Before a function is called with a record. */
  beginRecord(timestamp: number): void {
    this.elementContext.timestamp = timestamp
    this.elementContext.outputTimestamp = timestamp
    this.collector.timestamp = timestamp
  }

  advanceWatermark(watermark: number, maxFirings: number): boolean {
    this.elementContext.currentWatermark = watermark
    return this.#eventTimeTimers.fireDue(watermark, maxFirings, this.#fireEventTime)
  }

  advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#processingTimeTimers.fireDue(now, maxFirings, this.#fireProcessingTime)
  }

  nextProcessingTime(): number {
    return this.#processingTimeTimers.nextTimestamp()
  }

  /** They would fire in a task that is restored only to commit, and has nobody to send to (R12). */
  dropProcessingTimeTimers(): void {
    this.#processingTimeTimers.clear()
  }

  /** What an event-time timer emits carries its time; a processing-time timer says nothing about event time. */
  #fire(timeDomain: 'event-time' | 'processing-time', timestamp: number): void {
    this.beginRecord(timeDomain === 'event-time' ? timestamp : noTimestamp)
    this.elementContext.timestamp = timestamp
    this.elementContext.timeDomain = timeDomain
    try {
      this.#onTimer?.(timestamp, this.elementContext, this.collector)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'onTimer')
    }
  }
}

function timersOf(keyedState: KeyedStateBackend, timeDomain: 'event-time' | 'processing-time'): TimerQueue {
  return new TimerQueue(keyedState.panes<boolean>(`$timers-${timeDomain}`, { type: { kind: 'boolean' } }))
}
