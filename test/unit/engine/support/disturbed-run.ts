import fc from 'fast-check'
import { startTestCluster, type TestCluster, type TestClusterOptions, type TestJob } from 'millrace/testing'
import { turn } from '../../../../src/task/turn.ts'
import type { Item } from './item.ts'
import type { JobShape } from './job-shape.ts'
import { RandomJob } from './random-job.ts'

/** What happens to a job while it runs. None of it may show in its output. */
export type Disturbance =
  | { readonly type: 'killSlot'; readonly slot: number }
  | { readonly type: 'checkpoint' | 'abortCheckpoint' | 'suspend' | 'cancel' | 'crash' }
  | {
      readonly type: 'failStorage'
      readonly operation: 'begin' | 'complete' | 'markCommitted'
      readonly fault: 'refused' | 'unanswered'
    }

export interface Disturbed {
  /** Virtual time since the last one, in which all goes its way … */
  readonly afterMs: number
  /** … and turns of the event loop after that, in which time passes however busy the cluster is. */
  readonly turns: number
  readonly msPerTurn: number
  readonly disturbance: Disturbance
}

const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('killSlot' as const), slot: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'checkpoint',
        'checkpoint',
        'abortCheckpoint',
        'suspend',
        'suspend',
        'cancel',
        'crash',
        'crash',
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('failStorage' as const),
      operation: fc.constantFrom('begin', 'complete', 'markCommitted'),
      fault: fc.constantFrom('refused', 'unanswered'),
    }),
  },
)

export const disturbances: fc.Arbitrary<readonly Disturbed[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.nat(250)),
    turns: fc.oneof(fc.nat(6), fc.nat(60)),
    msPerTurn: fc.constantFrom(0, 1, 1, 5),
    disturbance,
  }),
  { maxLength: 10, size: 'max' },
)

/** What its sinks hold in the end, and how much happened. */
export interface Outcome {
  readonly results: Readonly<Record<string, readonly Item[]>>
  readonly starts: number
  readonly restarts: number
  readonly checkpoints: number
}

/** Runs the job to its end, through all that is to happen to it. */
export async function runDisturbed(
  shape: JobShape,
  list: readonly Disturbed[],
  options: TestClusterOptions = {},
): Promise<Outcome> {
  const job = new RandomJob(shape)
  await using cluster = startTestCluster({
    batchesPerTurn: shape.batchesPerTurn,
    seed: shape.seed,
    interleaving: 'random',
    ...options,
  })
  const run = new DisturbedRun(cluster, job)
  await run.start()
  for (const disturbed of list) if (!run.ended) await run.disturb(disturbed)
  await run.finish()
  const results = Object.fromEntries([...job.sinks].map(([name, { records }]) => [name, records]))
  return { results, starts: run.starts, restarts: run.restarts, checkpoints: run.checkpoints }
}

class DisturbedRun {
  starts = 0
  restarts = 0
  checkpoints = 0
  ended = false
  readonly #cluster: TestCluster
  readonly #job: RandomJob
  #running: TestJob | undefined

  constructor(cluster: TestCluster, job: RandomJob) {
    this.#cluster = cluster
    this.#job = job
  }

  async start(): Promise<void> {
    this.#count()
    const from = this.#running === undefined ? {} : { from: this.#running }
    this.#running = await this.#cluster.start(this.#job.build, { args: [`${this.starts}`], ...from })
    this.starts++
  }

  async disturb({ afterMs, turns, msPerTurn, disturbance: what }: Disturbed): Promise<void> {
    await this.#cluster.advanceTime(afterMs)
    for (let done = 0; done < turns; done++) {
      this.#cluster.time.move(msPerTurn)
      await turn()
    }
    await this.#apply(what)
    const state = this.#running?.status().state
    this.ended = state === 'FINISHED' || state === 'FAILED'
  }

  async finish(): Promise<void> {
    const result = await this.#running?.result()
    this.#count()
    if (result?.state !== 'FINISHED') throw new Error(`the job is ${result?.state}: ${JSON.stringify(result?.error)}`)
  }

  async #apply(what: Disturbance): Promise<void> {
    const running = this.#running as TestJob
    switch (what.type) {
      case 'killSlot': {
        const slot = running.slots[what.slot % Math.max(1, running.slots.length)]
        if (slot !== undefined) running.failSlot(slot)
        return
      }
      case 'checkpoint':
        running.parts.client.checkpoint()
        return
      case 'abortCheckpoint':
        running.abortNextCheckpoint()
        running.parts.client.checkpoint()
        return
      case 'failStorage':
        running.failStorage(what.operation, what.fault)
        running.parts.client.checkpoint()
        return
      case 'crash':
        this.#cluster.crash()
        return this.start()
      case 'suspend':
      case 'cancel': {
        const { state } = await (what.type === 'suspend' ? running.suspend() : running.cancel())
        return state === 'FINISHED' || state === 'FAILED' ? undefined : this.start()
      }
      default: {
        const never: never = what
        throw new TypeError(String(never))
      }
    }
  }

  #count(): void {
    const status = this.#running?.status()
    this.restarts += status?.restarts ?? 0
    this.checkpoints += status?.checkpoints.completed ?? 0
  }
}
