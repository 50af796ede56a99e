import type { KeyedStateStore, OutputTag, ProcessWindowContext, TimeWindow } from '../../api/functions.ts'
import { MillraceError } from '../../common/errors.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import { ScopedStateStore } from '../../state/scoped-state-store.ts'
import type { OperatorContext } from '../operator.ts'
import { GlobalStateStore } from './global-state-store.ts'
import { SideOutputs } from './side-outputs.ts'
import type { NamespaceOf } from './window-namespace.ts'

/** What results of a window carry: its last millisecond, Flink's maxTimestamp; that of a global window is no time. */
export function outputTimestamp(window: TimeWindow): number {
  return window.end === Number.POSITIVE_INFINITY ? noTimestamp : window.end - 1
}

/** What a window function sees; one object, changed from window to window. Its state is made when it is asked for. */
export class WindowFunctionContext implements ProcessWindowContext {
  window: TimeWindow = { start: 0, end: 0 }
  currentWatermark: number
  readonly #context: OperatorContext
  readonly #namespaceOf: NamespaceOf | undefined
  readonly #sideOutputs: SideOutputs
  #windowState: ScopedStateStore | undefined
  #globalState: GlobalStateStore | undefined

  constructor(context: OperatorContext, namespaceOf: NamespaceOf | undefined) {
    this.currentWatermark = context.restoredWatermark
    this.#context = context
    this.#namespaceOf = namespaceOf
    this.#sideOutputs = new SideOutputs(context)
  }

  get currentProcessingTime(): number {
    return this.#context.clock.now()
  }

  get windowState(): KeyedStateStore {
    if (this.#namespaceOf === undefined) {
      throw new Error('windows that grow together have no state of their own: use globalState')
    }
    this.#windowState ??= new ScopedStateStore(this.#keyedState(), '$window-state')
    this.#windowState.scopeTo(this.#namespaceOf(this.window))
    return this.#windowState
  }

  get globalState(): KeyedStateStore {
    this.#globalState ??= new GlobalStateStore(this.#keyedState())
    return this.#globalState
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#sideOutputs.emit(tag, value, outputTimestamp(this.window))
  }

  #keyedState(): KeyedStateBackend {
    const { keyedState, operatorName } = this.#context
    if (keyedState === undefined) throw new MillraceError('MR_INTERNAL', `window "${operatorName}" has no keyed state`)
    return keyedState
  }
}
