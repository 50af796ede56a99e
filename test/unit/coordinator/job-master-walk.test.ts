import fc from 'fast-check'
import { expect, test } from 'vitest'
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

type Request = 'none' | 'cancelJob' | 'suspendJob' | 'drainJob'

/** A job from start to end, with faults at first: it has to come to an end that the rules allow. */
class Walk {
  readonly #random: () => number
  readonly #world = newWorld()
  readonly #shape: (parallelism: number) => readonly VertexSketch[]
  readonly #exactlyOnce: boolean
  trace: readonly string[] = []

  constructor(seed: number) {
    this.#random = seeded(seed)
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
      job.slots.healed = true
      this.#steps(job, 20_000)
    } finally {
      this.trace = job.trace.slice(-60)
    }
    if (job.outcome === undefined) throw new Error(`the job does not end: ${JSON.stringify(job.state.phase)}`)
    return job.outcome
  }

  #steps(job: JobWorld, count: number): void {
    for (let step = 0; step < count && job.outcome === undefined; step++) if (!job.step()) return
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

function walking(runs: number, action: (walk: Walk) => string): ReadonlyMap<string, number> {
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const walk = new Walk(seed)
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

test.each(['none', 'drainJob'] as const)(
  'whatever fails on the way, a job ends FINISHED with everything committed, or FAILED (%s; R1–R3, R12, R13, I5, I6)',
  (request) => {
    const outcomes = walking(300, (walk) => {
      const outcome = walk.run(newStore(), undefined, request)
      expect(['FINISHED', 'FAILED']).toContain(outcome)
      return outcome
    })
    expect(outcomes.get('FINISHED') ?? 0).toBeGreaterThan(100)
  },
)

test.each([
  ['cancelJob', 'CANCELED'],
  ['suspendJob', 'SUSPENDED'],
] as const)('%s ends a job at any moment, with nothing left behind', (request, expected) => {
  const outcomes = walking(200, (walk) => {
    const outcome = walk.run(newStore(), undefined, request)
    expect(['FINISHED', 'FAILED', expected]).toContain(outcome)
    return outcome
  })
  expect(outcomes.get(expected) ?? 0).toBeGreaterThan(20)
})

test('a new JobMaster goes on from any record, in the same run or another, at any parallelism, to FINISHED with everything committed', () => {
  const outcomes = walking(400, (walk) => {
    const store = newStore()
    walk.run(store, undefined, 'suspendJob')
    const outcome = walk.again(store)
    expect(['FINISHED', 'FAILED']).toContain(outcome)
    return outcome
  })
  expect(outcomes.get('FINISHED') ?? 0).toBeGreaterThan(150)
})
