import fc from 'fast-check'
import { checkpointId } from '../../../src/common/ids.ts'
import type { RestorePoint } from '../../../src/coordinator/restore.ts'
import { JobWorld, type ModelStore, newStore } from './job-world.ts'
import { newWorld, seeded } from './model-slots.ts'
import { checkpointing, jobMasterOf, planOf, type VertexSketch } from './plans.ts'

const slices = (parallelism: number): readonly VertexSketch[] => [
  { name: 'source', parallelism, kind: 'source' },
  { name: 'sink', parallelism, kind: 'sink', reads: { source: 'forward' } },
]

const keyed = (parallelism: number): readonly VertexSketch[] => [
  { name: 'source', parallelism, kind: 'source' },
  { name: 'count', parallelism, kind: 'operator', reads: { source: 'hash' } },
  { name: 'sink', parallelism: 1, kind: 'sink', reads: { count: 'rebalance' } },
]

const islands = (parallelism: number): readonly VertexSketch[] => [
  { name: 'left', parallelism, kind: 'source' },
  { name: 'right', parallelism: 1, kind: 'source' },
  { name: 'out', parallelism, kind: 'sink', reads: { left: 'hash' } },
  { name: 'other', parallelism: 1, kind: 'sink', reads: { right: 'forward' } },
]

export type Request = 'none' | 'cancelJob' | 'suspendJob' | 'drainJob'

/** How likely each is before a step. */
export interface Faults {
  readonly leaderDies?: number
  readonly taskManagerDies?: number
}

/** A job from start to end, with faults at first: it has to come to an end that the rules allow. */
export class Walk {
  readonly #random: () => number
  readonly #world = newWorld()
  readonly #shape: (parallelism: number) => readonly VertexSketch[]
  readonly #exactlyOnce: boolean
  readonly #faults: Faults
  trace: readonly string[] = []

  constructor(seed: number, faults: Faults) {
    this.#random = seeded(seed)
    this.#faults = faults
    this.#shape = [slices, keyed, islands][this.#below(3)] ?? keyed
    this.#exactlyOnce = this.#random() < 0.7
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  run(store: ModelStore, restore: RestorePoint | undefined, request: Request): string {
    const guarantee = this.#exactlyOnce ? 'exactly-once' : 'at-least-once'
    const sketches = this.#shape(1 + this.#below(3)).map((sketch) => ({ ...sketch, guarantee }) as const)
    const tolerant = { ...checkpointing, tolerableFailedCheckpoints: this.#below(3) }
    const token = `t${this.#random()}`.replace('.', '')
    const left = { leftTransactions: store.ledger }
    const state = jobMasterOf(planOf(sketches, { checkpointing: tolerant }), { restore, token, ...left })
    const job = new JobWorld(state, this.#world, store, this.#random)
    try {
      this.#steps(job, 20 + this.#below(400))
      if (request !== 'none' && job.outcome === undefined) job.send({ type: request })
      this.#steps(job, 30)
      job.nextLeader()
      job.slots.healed = true
      this.#steps(job, 20_000)
    } finally {
      this.trace = job.trace.slice(-60)
    }
    if (job.outcome === undefined) throw new Error(`the job does not end: ${JSON.stringify(job.state.phase)}`)
    return job.outcome
  }

  #steps(job: JobWorld, count: number): void {
    const { leaderDies = 0, taskManagerDies = 0 } = this.#faults
    for (let step = 0; step < count && job.outcome === undefined; step++) {
      if (!job.slots.healed && this.#random() < leaderDies) job.loseLeader()
      else if (!job.slots.healed && this.#random() < taskManagerDies) job.loseTaskManager()
      const stepped = job.step()
      if (this.#random() < 0.1) job.nextLeader()
      else if (!stepped) return
    }
  }

  /** A new JobMaster from the newest record: in the same store, or in one of its own. */
  again(store: ModelStore): string {
    const newest = checkpointId(Math.max(0, ...store.records.keys()))
    const record = store.records.get(newest)
    const ownRun = this.#random() < 0.5
    const blobStore = { type: 'memory', name: ownRun ? 'own' : 'old' } as const
    const committed = store.marked.has(newest)
    const restore = record === undefined ? undefined : { record, blobStore, committed, ownRun }
    return this.run(ownRun ? store : { ...newStore(), ledger: store.ledger }, restore, 'none')
  }
}

export function walking(
  runs: number,
  action: (walk: Walk) => string,
  faults: Faults = {},
): ReadonlyMap<string, number> {
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const walk = new Walk(seed, faults)
      try {
        const outcome = action(walk)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}\n${walk.trace.join('\n')}`, { cause: error })
      }
    }),
    { numRuns: runs },
  )
  return outcomes
}
