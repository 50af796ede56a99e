import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../api/sink.ts'

export interface CollectingSinkOptions {
  /**
   * `exactly-once` (default): records become visible with the checkpoint that they belong to, or at the end of a bounded
   * job without checkpoints. `at-least-once`: at once, and again when a restart replays them.
   */
  readonly deliveryGuarantee?: Exclude<DeliveryGuarantee, 'none'>
}

/** A sink that keeps what it gets in memory, for a test to look at. */
export interface CollectingSink<T> extends Sink<T> {
  /** Records in the order in which they became visible. */
  readonly records: readonly T[]
  /** Event timestamps of `records`; `noTimestamp` where a record has none. */
  readonly timestamps: readonly number[]
}

/**
 * Makes a sink that collects in memory. Make it outside of the job's function, which is called once in each slot, and
 * again for each slot that starts anew.
 * @example
 * ```ts
 * import { collectingSink, startTestCluster } from 'millrace/testing'
 *
 * const sink = collectingSink<number>()
 * await using cluster = startTestCluster()
 * await cluster.run((env) => {
 *   env.fromSequence(1, 3).map((value) => value * value).sinkTo(sink)
 * })
 * console.log(sink.records) // [1, 4, 9]
 * ```
 */
export function collectingSink<T>(options: CollectingSinkOptions = {}): CollectingSink<T> {
  return new MemorySink<T>(options.deliveryGuarantee ?? 'exactly-once')
}

interface Part<T> {
  readonly values: readonly T[]
  readonly timestamps: readonly number[]
}

class MemorySink<T> implements CollectingSink<T> {
  readonly connector = 'collect'
  readonly deliveryGuarantee: DeliveryGuarantee
  readonly records: T[] = []
  readonly timestamps: number[] = []
  /** What is prepared and waits for its checkpoint, as files under a temporary name would. */
  readonly #prepared = new Map<string, Part<T>>()

  constructor(deliveryGuarantee: DeliveryGuarantee) {
    this.deliveryGuarantee = deliveryGuarantee
  }

  createWriter({ attemptId, operatorUid, subtaskIndex }: SinkWriterContext): SinkWriter<T> {
    let values: T[] = []
    let timestamps: number[] = []
    let parts = 0
    const atOnce = this.deliveryGuarantee !== 'exactly-once'
    return {
      writable: true,
      write: (value, timestamp) => {
        if (atOnce) this.#publish({ values: [value], timestamps: [timestamp] })
        else {
          values.push(value)
          timestamps.push(timestamp)
        }
      },
      prepareCommit: async () => {
        if (values.length === 0) return []
        const name = `${operatorUid}/${attemptId}/${subtaskIndex}/${parts++}`
        this.#prepared.set(name, { values, timestamps })
        values = []
        timestamps = []
        return [name]
      },
      commit: async (names) => {
        for (const name of names) this.#commit(String(name))
      },
      close: async () => {},
    }
  }

  /** A part that is not there was committed before: repeating it is harmless (R16). */
  #commit(name: string): void {
    const part = this.#prepared.get(name)
    if (part === undefined) return
    this.#prepared.delete(name)
    this.#publish(part)
  }

  #publish({ values, timestamps }: Part<T>): void {
    for (const value of values) this.records.push(value)
    for (const timestamp of timestamps) this.timestamps.push(timestamp)
  }
}
