import type { Key, OutputTag, ProcessWindowContext, ProcessWindowFunction, TimeWindow } from '../../api/functions.ts'
import type { WindowComputation } from '../../graph/operator-spec.ts'
import type { OperatorContext } from '../operator.ts'
import { SideOutputs } from './side-outputs.ts'
import { TimestampedCollector } from './timestamped-collector.ts'
import { userFunctionError } from './user-function-error.ts'
import type { WindowContents } from './window-contents.ts'

/** Makes and emits what a window gives when it fires. All of it carries the last timestamp of the window, end − 1. */
export class WindowResults {
  currentWatermark: number
  readonly #contents: WindowContents
  readonly #process: ProcessWindowFunction<unknown, unknown, Key> | undefined
  readonly #collector: TimestampedCollector
  readonly #sideOutputs: SideOutputs
  readonly #operatorName: string

  constructor(compute: WindowComputation, contents: WindowContents, context: OperatorContext) {
    this.#contents = contents
    this.#process = compute.process
    this.#collector = new TimestampedCollector(context)
    this.#sideOutputs = new SideOutputs(context)
    this.#operatorName = context.operatorName
    this.currentWatermark = context.restoredWatermark
  }

  emit(key: Key, window: TimeWindow, contents: unknown, retained: boolean): void {
    let elements: readonly unknown[]
    try {
      elements = this.#contents.elements(contents, retained)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'getResult')
    }
    this.#collector.timestamp = window.end - 1
    if (this.#process === undefined) {
      this.#collector.collect(elements[0])
      return
    }
    try {
      this.#process.process(key, this.#processContext(window), elements, this.#collector)
    } catch (error) {
      throw userFunctionError(error, this.#operatorName, 'process')
    }
  }

  #processContext(window: TimeWindow): ProcessWindowContext {
    return {
      window,
      currentWatermark: this.currentWatermark,
      output: <T>(tag: OutputTag<T>, value: T) => this.#sideOutputs.emit(tag, value, window.end - 1),
    }
  }
}
