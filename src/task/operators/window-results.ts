import type { Key, ProcessWindowFunction, TimeWindow } from '../../api/functions.ts'
import type { MillraceError } from '../../common/errors.ts'
import { hashKey } from '../../common/key.ts'
import type { WindowComputation } from '../../graph/operator-spec.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'
import type { WindowContents } from './window-contents.ts'
import { outputTimestamp, WindowFunctionContext } from './window-function-context.ts'
import type { NamespaceOf } from './window-namespace.ts'

/** Makes and emits what a window gives when it fires. All of it carries the last timestamp of the window, end − 1. */
export class WindowResults {
  readonly #contents: WindowContents
  readonly #process: ProcessWindowFunction<unknown, unknown, Key> | undefined
  readonly #collector: TimestampedCollector
  readonly #functionContext: WindowFunctionContext
  readonly #operatorName: string
  readonly #keyedState: KeyedStateBackend | undefined

  /** @param namespaceOf of the windows' own state; undefined where they grow together and can have none */
  constructor(
    compute: WindowComputation,
    contents: WindowContents,
    context: OperatorContext,
    namespaceOf: NamespaceOf | undefined,
  ) {
    this.#contents = contents
    this.#process = compute.process
    this.#collector = new TimestampedCollector(context)
    this.#functionContext = new WindowFunctionContext(context, namespaceOf)
    this.#operatorName = context.operatorName
    this.#keyedState = context.keyedState
  }

  set currentWatermark(watermark: number) {
    this.#functionContext.currentWatermark = watermark
  }

  emit(key: Key, window: TimeWindow, contents: unknown, retained: boolean): void {
    let elements: readonly unknown[]
    try {
      elements = this.#contents.elements(contents, retained)
    } catch (error) {
      throw this.#failure(error, key, 'getResult')
    }
    this.emitElements(key, window, elements)
  }

  /** What the window function sees, or the one result. Nothing is emitted where there is none. */
  emitElements(key: Key, window: TimeWindow, elements: readonly unknown[]): void {
    this.#collector.timestamp = outputTimestamp(window)
    if (this.#process === undefined) {
      if (elements.length > 0) this.#collector.collect(elements[0])
      return
    }
    this.#functionContext.window = window
    try {
      this.#process.process(key, this.#functionContext, elements, this.#collector)
    } catch (error) {
      throw this.#failure(error, key, 'process')
    }
  }

  /** A dead letter is named by the current key, which not every kind of window sets as it fires. */
  #failure(error: unknown, key: Key, functionName: string): MillraceError {
    this.#keyedState?.setCurrentKey(key, hashKey(key))
    return userFunctionError(error, this.#operatorName, functionName)
  }

  /** The window of the current key is over: its function may clear what it keeps for it. */
  clear(window: TimeWindow): void {
    if (this.#process?.clear === undefined) return
    this.#functionContext.window = window
    try {
      this.#process.clear(this.#functionContext)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'clear')
    }
  }
}
