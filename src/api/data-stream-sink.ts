import type { OperatorSettings } from './operator-settings.ts'

/** The end of a stream; has the settings of the sink's operator. */
export class DataStreamSink {
  readonly #settings: OperatorSettings

  /** @internal Comes from `sinkTo`. */
  constructor(settings: OperatorSettings) {
    this.#settings = settings
  }

  /** The name in plans, metrics and messages. */
  name(name: string): this {
    this.#settings.name(name)
    return this
  }

  /** The id by which the sink's state is found again in checkpoints. */
  uid(uid: string): this {
    this.#settings.uid(uid)
    return this
  }

  /** How many subtasks the sink has; default: the job's. */
  setParallelism(parallelism: number): this {
    this.#settings.parallelism(parallelism)
    return this
  }

  /** Keeps the sink's subtasks in slots of a group; left out, in that of its inputs. */
  slotSharingGroup(name: string): this {
    this.#settings.slotSharingGroup(name)
    return this
  }

  /** Does not chain the sink to what is before it. */
  disableChaining(): this {
    this.#settings.chaining('never')
    return this
  }
}
