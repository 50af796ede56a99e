import type { OutputTag } from '../../api/functions.ts'
import type { OperatorContext, Receiver } from '../operator.ts'

/** The side outputs of one operator, looked up once a tag. */
export class SideOutputs {
  readonly #context: OperatorContext
  readonly #receivers = new Map<string, Receiver | undefined>()

  constructor(context: OperatorContext) {
    this.#context = context
  }

  /** Drops the value where nothing reads the side output. */
  emit<T>(tag: OutputTag<T>, value: T, timestamp: number): void {
    let receiver = this.#receivers.get(tag.id)
    if (receiver === undefined && !this.#receivers.has(tag.id)) {
      receiver = this.#context.sideOutput(tag.id)
      this.#receivers.set(tag.id, receiver)
    }
    receiver?.processElement(value, timestamp)
  }
}
