import type { Key, OnTimerContext, TimerService } from '../../api/functions.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'
import { ElementContext } from './element-context.ts'

/** The same for functions on keyed streams, and for their timers. */
export class KeyedElementContext extends ElementContext implements OnTimerContext<Key> {
  timeDomain: 'event-time' | 'processing-time' = 'event-time'
  readonly timers: TimerService
  readonly #keyedState: KeyedStateBackend

  constructor(context: OperatorContext, keyedState: KeyedStateBackend, timers: TimerService) {
    super(context)
    this.#keyedState = keyedState
    this.timers = timers
  }

  get key(): Key {
    return this.#keyedState.currentKey
  }
}
