import type { Key, OutputTag } from '../../../../../src/api/functions.ts'
import type { OperatorSpec } from '../../../../../src/graph/operator-spec.ts'
import type { HarnessCheckpoint, HarnessSnapshot } from '../../../../../src/testing/harness-checkpoint.ts'
import type { OperatorHarnessOptions } from '../../../../../src/testing/harness-start.ts'
import { type HarnessRecord, OperatorHarness } from '../../../../../src/testing/operator-harness.ts'

/** All subtasks of one operator: records go to the owner of their key, everything else to all. */
export class HarnessGroup<In, Out> {
  readonly harnesses: readonly OperatorHarness<In, Out>[]
  readonly #keySelector: (value: In) => Key
  readonly #taken: number[]

  private constructor(harnesses: readonly OperatorHarness<In, Out>[], keySelector: (value: In) => Key) {
    this.harnesses = harnesses
    this.#keySelector = keySelector
    this.#taken = harnesses.map(() => 0)
  }

  static async of<In, Out>(
    spec: () => OperatorSpec,
    parallelism: number,
    options: OperatorHarnessOptions<In> & { readonly keySelector: (value: In) => Key },
  ): Promise<HarnessGroup<In, Out>> {
    const harnesses = Array.from({ length: parallelism }, (_, subtaskIndex) =>
      OperatorHarness.of<In, Out>(spec(), { ...options, subtaskIndex, parallelism }),
    )
    return new HarnessGroup(await Promise.all(harnesses), options.keySelector)
  }

  processElement(value: In, timestamp: number): void {
    const key = this.#keySelector(value)
    const owners = this.harnesses.filter((harness) => harness.owns(key))
    if (owners.length !== 1) throw new Error(`${owners.length} owners of ${String(key)}`)
    owners[0]?.processElement(value, timestamp)
  }

  processWatermark(watermark: number): void {
    for (const harness of this.harnesses) harness.processWatermark(watermark)
  }

  advanceProcessingTime(nowMs: number): void {
    for (const harness of this.harnesses) harness.advanceProcessingTime(nowMs)
  }

  beginCheckpoint(): readonly HarnessCheckpoint[] {
    return this.harnesses.map((harness) => harness.beginCheckpoint())
  }

  /** What has been put out since the last call, by subtask. */
  takeOutput(): HarnessRecord<Out>[] {
    return this.harnesses.flatMap((harness) => harness.output.splice(0))
  }

  takeSideOutput<T>(tag: OutputTag<T>): HarnessRecord<T>[] {
    return this.harnesses.flatMap((harness, index) => {
      const records = harness.sideOutput(tag)
      const taken = this.#taken[index] ?? 0
      this.#taken[index] = records.length
      return records.slice(taken)
    })
  }

  get lateRecordsDropped(): number {
    return this.harnesses.reduce((sum, { metrics }) => sum + metrics.lateRecordsDropped, 0)
  }
}

export async function complete(checkpoints: readonly HarnessCheckpoint[]): Promise<readonly HarnessSnapshot[]> {
  return Promise.all(checkpoints.map((checkpoint) => checkpoint.complete()))
}
