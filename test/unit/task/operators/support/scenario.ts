import fc from 'fast-check'
import type { Key, OutputTag } from '../../../../../src/api/functions.ts'
import type { OperatorSpec } from '../../../../../src/graph/operator-spec.ts'
import type { HarnessCheckpoint, HarnessSnapshot } from '../../../../../src/testing/harness-checkpoint.ts'
import type { OperatorHarnessOptions } from '../../../../../src/testing/harness-start.ts'
import type { HarnessRecord } from '../../../../../src/testing/operator-harness.ts'
import { complete, HarnessGroup } from './harness-group.ts'

/** What happens around the input: none of it may show in the output. */
export type Disturbance =
  /** The barrier is here; the state is written out during the next `overlap` steps. */
  | { readonly type: 'checkpoint'; readonly overlap: number; readonly ends: 'completed' | 'aborted' }
  /** Starts again from the last completed checkpoint, with another number of subtasks. */
  | { readonly type: 'restart'; readonly parallelism: number }

export interface Disturbed {
  /** Happens before the step of this index. */
  readonly at: number
  readonly disturbance: Disturbance
}

export function disturbances(steps: number): fc.Arbitrary<Disturbed[]> {
  const checkpoint = fc.record({
    type: fc.constant('checkpoint' as const),
    overlap: fc.integer({ min: 0, max: 6 }),
    ends: fc.constantFrom('completed' as const, 'completed' as const, 'aborted' as const),
  })
  const restart = fc.record({ type: fc.constant('restart' as const), parallelism: fc.integer({ min: 1, max: 3 }) })
  return fc
    .array(
      fc.record({
        at: fc.integer({ min: 0, max: Math.max(0, steps - 1) }),
        disturbance: fc.oneof({ weight: 3, arbitrary: checkpoint }, { weight: 1, arbitrary: restart }),
      }),
      { maxLength: 8 },
    )
    .map((list) => list.toSorted((left, right) => left.at - right.at))
}

export interface Scenario<Step, In> {
  readonly spec: () => OperatorSpec
  readonly options: OperatorHarnessOptions<In> & { readonly keySelector: (value: In) => Key }
  readonly steps: readonly Step[]
  readonly disturbed: readonly Disturbed[]
  readonly sideOutput?: OutputTag<In>
  apply(group: HarnessGroup<In, unknown>, step: Step): void
}

/** What one step put out. */
export interface StepOutput<In, Out> {
  readonly main: readonly HarnessRecord<Out>[]
  readonly side: readonly HarnessRecord<In>[]
}

interface Saved {
  readonly position: number
  readonly snapshots: readonly HarnessSnapshot[]
}

/** Runs the steps with the disturbances and gives the output of each step, replays taken once, as an exactly-once sink would. */
export async function run<Step, In, Out>(scenario: Scenario<Step, In>): Promise<StepOutput<In, Out>[]> {
  const group = await HarnessGroup.of<In, Out>(scenario.spec, 1, scenario.options)
  return new ScenarioRun<Step, In, Out>(scenario, group).run()
}

interface OpenCheckpoint {
  readonly checkpoints: readonly HarnessCheckpoint[]
  readonly position: number
  readonly until: number
  readonly aborts: boolean
}

class ScenarioRun<Step, In, Out> {
  readonly #scenario: Scenario<Step, In>
  readonly #outputs: StepOutput<In, Out>[] = []
  readonly #waiting: Disturbed[]
  #group: HarnessGroup<In, Out>
  #position = 0
  #saved: Saved = { position: 0, snapshots: [] }
  #open: OpenCheckpoint | undefined

  constructor(scenario: Scenario<Step, In>, group: HarnessGroup<In, Out>) {
    this.#scenario = scenario
    this.#waiting = [...scenario.disturbed]
    this.#group = group
  }

  async run(): Promise<StepOutput<In, Out>[]> {
    const { steps } = this.#scenario
    for (;;) {
      await this.#disturb()
      if (this.#open !== undefined && this.#position >= this.#open.until) await this.#endCheckpoint()
      if (this.#position === steps.length) return this.#outputs
      this.#apply(steps[this.#position] as Step)
      this.#position++
    }
  }

  #apply(step: Step): void {
    const { sideOutput } = this.#scenario
    this.#scenario.apply(this.#group as HarnessGroup<In, unknown>, step)
    this.#outputs[this.#position] = {
      main: this.#group.takeOutput(),
      side: sideOutput === undefined ? [] : this.#group.takeSideOutput(sideOutput),
    }
    for (const checkpoint of this.#open?.checkpoints ?? []) checkpoint.step(1)
  }

  async #disturb(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined && next.at <= this.#position; next = this.#waiting[0]) {
      this.#waiting.shift()
      const { disturbance } = next
      if (disturbance.type === 'checkpoint') await this.#beginCheckpoint(disturbance)
      else await this.#restart(disturbance.parallelism)
    }
  }

  async #beginCheckpoint({ overlap, ends }: Extract<Disturbance, { type: 'checkpoint' }>): Promise<void> {
    await this.#endCheckpoint()
    this.#open = {
      checkpoints: this.#group.beginCheckpoint(),
      position: this.#position,
      until: this.#position + overlap,
      aborts: ends === 'aborted',
    }
  }

  async #endCheckpoint(): Promise<void> {
    if (this.#open === undefined) return
    const { checkpoints, position, aborts } = this.#open
    this.#open = undefined
    if (aborts) for (const checkpoint of checkpoints) checkpoint.abort()
    else this.#saved = { position, snapshots: await complete(checkpoints) }
  }

  async #restart(parallelism: number): Promise<void> {
    const { spec, options } = this.#scenario
    const { snapshots, position } = this.#saved
    this.#open = undefined
    this.#group = await HarnessGroup.of<In, Out>(
      spec,
      parallelism,
      snapshots.length === 0 ? options : { ...options, restore: snapshots },
    )
    this.#position = position
  }
}
