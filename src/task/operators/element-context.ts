import type { OutputTag, ProcessContext } from '../../api/functions.ts'
import { noTimestamp } from '../../common/timestamps.ts'
import type { OperatorContext } from '../operator.ts'
import { SideOutputs } from './side-outputs.ts'

/** What a process function sees of the record at hand; one object, changed from record to record. */
export class ElementContext implements ProcessContext {
  timestamp = noTimestamp
  currentWatermark: number
  /** Of what goes to side outputs; the same as `timestamp`, except while a processing-time timer fires. */
  outputTimestamp = noTimestamp
  readonly #context: OperatorContext
  readonly #sideOutputs: SideOutputs

  constructor(context: OperatorContext) {
    this.#context = context
    this.#sideOutputs = new SideOutputs(context)
    this.currentWatermark = context.restoredWatermark
  }

  get currentProcessingTime(): number {
    return this.#context.clock.now()
  }

  output<T>(tag: OutputTag<T>, value: T): void {
    this.#sideOutputs.emit(tag, value, this.outputTimestamp)
  }
}
