import type { KeyedStateStore, TimeWindow } from '../../api/functions.ts'
import type { OnMergeContext, Trigger, TriggerResult } from '../../api/triggers.ts'
import type { MergingDescriptor, ScopedStateStore } from '../../state/scoped-state-store.ts'
import type { OperatorContext } from '../operator.ts'
import { userFunctionError } from './user-function-error.ts'
import type { NamespaceOf } from './window-namespace.ts'
import type { WindowTimers } from './window-timers.ts'

export interface WindowTriggerOptions {
  readonly trigger: Trigger<unknown>
  readonly context: OperatorContext
  readonly state: ScopedStateStore
  readonly namespaceOf: NamespaceOf
  readonly eventTimeTimers: WindowTimers
  readonly processingTimeTimers: WindowTimers
}

/** Calls the trigger of an operator; is its context, for the current key and the window of the call. */
export class WindowTrigger implements OnMergeContext {
  currentWatermark: number
  readonly #options: WindowTriggerOptions
  readonly #trigger: Trigger<unknown>
  #window: TimeWindow = { start: 0, end: 0 }
  #absorbed: readonly TimeWindow[] = []

  constructor(options: WindowTriggerOptions) {
    this.#options = options
    this.#trigger = options.trigger
    this.currentWatermark = options.context.restoredWatermark
  }

  onElement(value: unknown, timestamp: number, window: TimeWindow): TriggerResult {
    this.#window = window
    return this.#call('onElement', () => checked(this.#trigger.onElement(value, timestamp, window, this)))
  }

  onEventTime(time: number, window: TimeWindow): TriggerResult {
    this.#window = window
    return this.#call('onEventTime', () => checked(this.#trigger.onEventTime(time, window, this)))
  }

  onProcessingTime(time: number, window: TimeWindow): TriggerResult {
    this.#window = window
    return this.#call('onProcessingTime', () => checked(this.#trigger.onProcessingTime(time, window, this)))
  }

  /** `absorbed` have become `window`; then the trigger's timers and state of each of them go. */
  onMerge(window: TimeWindow, absorbed: readonly TimeWindow[]): void {
    this.#window = window
    this.#absorbed = absorbed
    this.#call('onMerge', () => this.#trigger.onMerge?.(window, this))
    this.#absorbed = []
    for (const gone of absorbed) this.clear(gone)
  }

  clear(window: TimeWindow): void {
    this.#window = window
    this.#call('clear', () => this.#trigger.clear(window, this))
  }

  get currentProcessingTime(): number {
    return this.#options.context.clock.now()
  }

  get partitionedState(): KeyedStateStore {
    const { state, namespaceOf } = this.#options
    state.scopeTo(namespaceOf(this.#window))
    return state
  }

  mergePartitionedState<In, Accumulator, Out>(descriptor: MergingDescriptor<In, Accumulator, Out>): void {
    const { state, namespaceOf } = this.#options
    state.merge(descriptor, namespaceOf(this.#window), this.#absorbed.map(namespaceOf))
  }

  registerEventTimeTimer(timestamp: number): void {
    this.#options.eventTimeTimers.register(timestamp, this.#window)
  }

  deleteEventTimeTimer(timestamp: number): void {
    this.#options.eventTimeTimers.delete(timestamp, this.#window)
  }

  registerProcessingTimeTimer(timestamp: number): void {
    this.#options.processingTimeTimers.register(timestamp, this.#window)
  }

  deleteProcessingTimeTimer(timestamp: number): void {
    this.#options.processingTimeTimers.delete(timestamp, this.#window)
  }

  #call<Result>(name: string, call: () => Result): Result {
    try {
      return call()
    } catch (error) {
      throw userFunctionError(error, this.#options.context.operatorName, `${name} of the trigger`)
    }
  }
}

function checked(result: TriggerResult): TriggerResult {
  switch (result) {
    case 'CONTINUE':
    case 'FIRE':
    case 'PURGE':
    case 'FIRE_AND_PURGE':
      return result
    default: {
      const never: never = result
      throw new TypeError(`it gave ${String(never)}, and not CONTINUE, FIRE, PURGE or FIRE_AND_PURGE`)
    }
  }
}
