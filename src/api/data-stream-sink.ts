import type { DataStream, SingleOutputStreamOperator } from './data-stream.ts'
import type { DeadLetter, DeadLetterOptions } from './dead-letters.ts'
import type { OutputTag } from './functions.ts'

/** The end of a stream; has the settings of the sink's operator. */
export class DataStreamSink {
  readonly #operator: SingleOutputStreamOperator<never>

  /** @internal Comes from `sinkTo`. */
  constructor(operator: SingleOutputStreamOperator<never>) {
    this.#operator = operator
  }

  /** The name in plans, metrics and messages. */
  name(name: string): this {
    this.#operator.name(name)
    return this
  }

  /** The id by which the sink's state is found again in checkpoints. */
  uid(uid: string): this {
    this.#operator.uid(uid)
    return this
  }

  /** How many subtasks the sink has; default: the job's. */
  setParallelism(parallelism: number): this {
    this.#operator.setParallelism(parallelism)
    return this
  }

  /** Keeps the sink's subtasks in slots of a group; left out, in that of its inputs. */
  slotSharingGroup(name: string): this {
    this.#operator.slotSharingGroup(name)
    return this
  }

  /** Does not chain the sink to what is before it. */
  disableChaining(): this {
    this.#operator.disableChaining()
    return this
  }

  /**
   * Records that the sink refuses when they are given to it go to this side output, instead of failing the job. Failures to
   * store or publish them still fail it.
   * @throws MillraceError MR_JOB_DEFINITION where the budget is out of range
   */
  deadLetters(tag: OutputTag<DeadLetter>, options: DeadLetterOptions = {}): this {
    this.#operator.deadLetters(tag, options)
    return this
  }

  /** The dead letters of the sink. */
  getSideOutput<Side>(tag: OutputTag<Side>): DataStream<Side> {
    return this.#operator.getSideOutput(tag)
  }
}
