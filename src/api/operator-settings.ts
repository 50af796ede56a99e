import type { DataType } from '../formats/data-type.ts'
import type { DeadLetter, DeadLetterOptions } from './dead-letters.ts'
import { declaredBudget, declaredInteger, declaredText, definitionError } from './declaration.ts'
import type { OutputTag } from './functions.ts'
import type { StreamGraphBuilder } from './stream-graph-builder.ts'

/** @internal What may be said of an operator after its declaration, checked. */
export class OperatorSettings {
  readonly #builder: StreamGraphBuilder
  readonly #id: number

  constructor(builder: StreamGraphBuilder, id: number) {
    this.#builder = builder
    this.#id = id
  }

  name(name: string): void {
    this.#builder.change(this.#id, { name: declaredText(name, this.#subject, 'the name') })
  }

  uid(uid: string): void {
    this.#builder.change(this.#id, { uid: declaredText(uid, this.#subject, 'the uid') })
  }

  parallelism(parallelism: number): void {
    this.#builder.change(this.#id, { parallelism: declaredInteger(parallelism, this.#subject, 'the parallelism', 1) })
  }

  maxParallelism(maxParallelism: number): void {
    const checked = declaredInteger(maxParallelism, this.#subject, 'the max parallelism', 1)
    this.#builder.change(this.#id, { maxParallelism: checked })
  }

  slotSharingGroup(name: string): void {
    const slotSharingGroup = declaredText(name, this.#subject, 'the slot sharing group')
    this.#builder.change(this.#id, { slotSharingGroup })
  }

  chaining(chaining: 'head' | 'never'): void {
    this.#builder.change(this.#id, { chaining })
  }

  deadLetters(tag: OutputTag<DeadLetter>, { budget }: DeadLetterOptions): void {
    this.#builder.change(this.#id, { deadLetters: { tag, budget: declaredBudget(budget, this.#subject) } })
  }

  outputType(outputType: DataType<unknown>): void {
    if (this.#builder.isRead(this.#id)) {
      const { name, declaredAt } = this.#builder.node(this.#id)
      throw definitionError(name, 'returns(…) has to come before the stream is used', declaredAt)
    }
    this.#builder.change(this.#id, { outputType })
  }

  get #subject(): string {
    return this.#builder.node(this.#id).name
  }
}
