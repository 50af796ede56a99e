import { jobId } from '../../src/common/ids.ts'
import { recordOf } from '../../src/coordinator/job-master/job-record.ts'
import { newJobMaster } from '../../src/coordinator/job-master/state.ts'
import type { JobPlan } from '../../src/graph/job-graph.ts'
import { checkpointing, planOf, type VertexSketch } from '../unit/coordinator/plans.ts'
import { Candidate, type CandidateSettings } from './candidate.ts'
import { expectedResults, OuterWorld, type PlaneSettings } from './data-plane.ts'
import type { SimulatedJob } from './leader-session.ts'
import { RedisModel } from './redis-model.ts'
import { type Mutation, Rules, Violation } from './rules.ts'
import { Scheduler } from './scheduler.ts'
import { TaskManagerProcess } from './task-manager-process.ts'

const faultsMs = 25_000
/** By then a job without faults has long ended. */
const limitMs = 150_000

export interface Run {
  /** undefined: no rule was broken. */
  readonly failure: string | undefined
  readonly trace: readonly string[]
  readonly virtualMs: number
  readonly counts: Readonly<Record<string, number>>
}

export interface RunOptions {
  readonly mutation?: Mutation
  readonly keepsTrace?: boolean
}

/** A cluster of two JobManagers and three TaskManagers with one job, from its start to its end. */
class Simulation {
  readonly scheduler: Scheduler
  readonly counts: Record<string, number> = {}
  readonly #rules = new Rules()
  readonly #redis: RedisModel
  readonly #job: SimulatedJob
  readonly #plane: PlaneSettings
  readonly #settings: CandidateSettings
  readonly #isCounted: boolean
  #candidates: Candidate[] = []
  #taskManagers: TaskManagerProcess[] = []
  #lives = 0

  constructor(seed: number, { mutation, keepsTrace = false }: RunOptions) {
    const scheduler = new Scheduler(seed, keepsTrace)
    this.scheduler = scheduler
    this.#redis = new RedisModel(scheduler, this.#rules, mutation)
    const parallelism = 1 + scheduler.below(2)
    this.#isCounted = scheduler.random() < 0.7
    const id = jobId('a'.repeat(32))
    const world = new OuterWorld(this.#rules)
    const splits = Array.from({ length: parallelism * 2 }, (_, index) => `s${index}`)
    this.#job = { jobId: id, world, splits, listed: new Set(), acknowledgements: new Map(), outcome: undefined }
    const state = this.#submit(planOf(shape(parallelism, this.#isCounted), { checkpointing: tolerant }))
    const shared = { scheduler, rules: this.#rules, mutation }
    this.#plane = { ...shared, facts: state.facts, world, channels: new Map() }
    this.#settings = { ...shared, redis: this.#redis, job: this.#job }
    this.#redis.inboxes.set('leader', [])
    this.#redis.appended = (inbox) => this.#deliver(inbox)
    for (let index = 0; index < 3; index++) this.#startTaskManager()
    for (let index = 0; index < 2; index++) this.#startCandidate()
    this.#fault()
  }

  run(): void {
    const { scheduler } = this
    scheduler.after(faultsMs, undefined, () => {
      scheduler.healed = true
      scheduler.log('', () => 'no more faults')
    })
    while (this.#job.outcome === undefined && scheduler.nowMs < limitMs && scheduler.next());
    const { outcome, world, splits } = this.#job
    if (outcome === undefined) throw new Violation(`I11: the job does not end: ${this.#situation()}`)
    if (outcome !== 'FINISHED') throw new Violation(`the job has ${outcome}`)
    this.#rules.results([...world.committed.values()].flat(), expectedResults(splits, this.#isCounted))
  }

  #situation(): string {
    const leaders = this.#candidates.filter(({ leads }) => leads).map(({ name }) => name)
    return `leaders: ${leaders.join(', ') || 'none'}; record: ${this.#redis.record?.slice(-900)}`
  }

  /** Its record is durable before the client has an answer (R24). */
  #submit(plan: JobPlan) {
    const { jobId: id } = this.#job
    const submission = {
      ...{ jobId: id, plan, job: { bundleUrl: '', arguments: [], configuration: {} } },
      ...{ blobStore: { type: 'memory', name: 'own' } as const, hasCheckpointStore: true, restore: undefined },
    }
    const state = newJobMaster({ ...submission, token: 'submitted', leftTransactions: [] })
    const record = recordOf(state, submission, { epochMs: 0, monotonicMs: 0, random: 0 })
    this.#redis.record = JSON.stringify(record)
    this.#redis.revision = 1
    return state
  }

  #deliver(inbox: string): void {
    const { scheduler } = this
    if (inbox === 'leader') {
      for (const candidate of this.#candidates) {
        scheduler.after(scheduler.between(0.2, 3), candidate.main, () => candidate.session?.read())
      }
      return
    }
    const taskManager = this.#taskManagers.find(({ id }) => id === inbox)
    if (taskManager === undefined) return
    scheduler.after(scheduler.between(0.2, 3), taskManager.runner, () => taskManager.read())
  }

  #startTaskManager(): void {
    this.#taskManagers = this.#taskManagers.filter(({ runner }) => runner.alive)
    this.#taskManagers.push(new TaskManagerProcess(`tm${++this.#lives}`, this.#plane, this.#redis))
  }

  #startCandidate(): void {
    this.#candidates = this.#candidates.filter(({ main }) => main.alive)
    this.#candidates.push(new Candidate(`jm${++this.#lives}`, this.#settings))
  }

  /** Supervisors start again what has ended. */
  #restore(): void {
    const { scheduler } = this
    const missing = 3 - this.#taskManagers.filter(({ runner }) => runner.alive).length
    for (let index = 0; index < missing; index++) this.#startTaskManager()
    while (this.#candidates.filter(({ main }) => main.alive).length < 2) this.#startCandidate()
    scheduler.log('', () => 'processes are started again')
  }

  #fault(): void {
    const { scheduler } = this
    scheduler.after(scheduler.between(200, 3000), undefined, () => {
      if (scheduler.healed) {
        this.#restore()
        scheduler.after(1000, undefined, () => this.#fault())
        return
      }
      const faults = [
        'kill',
        'kill',
        'pause',
        'stick',
        'resign',
        'killTaskManager',
        'pauseTaskManager',
        'clock',
      ] as const
      const fault = faults[scheduler.below(faults.length)] ?? 'kill'
      this.counts[fault] = (this.counts[fault] ?? 0) + 1
      this.#hurt(fault)
      if (scheduler.random() < 0.8) this.#restore()
      this.#fault()
    })
  }

  #hurt(fault: 'kill' | 'pause' | 'stick' | 'resign' | 'killTaskManager' | 'pauseTaskManager' | 'clock'): void {
    const { scheduler } = this
    const leader = this.#candidates.find(({ leads }) => leads) ?? this.#candidates[0]
    const taskManager = this.#taskManagers[scheduler.below(this.#taskManagers.length)]
    scheduler.log('', () => `fault: ${fault} ${fault.endsWith('TaskManager') ? taskManager?.id : leader?.name}`)
    const until = scheduler.nowMs + scheduler.between(100, 6000)
    switch (fault) {
      case 'kill':
        leader?.die()
        break
      case 'pause':
        leader?.pause(until)
        break
      case 'stick':
        leader?.stick(until - scheduler.nowMs)
        break
      case 'resign':
        leader?.resign()
        break
      case 'killTaskManager':
        taskManager?.end('it is killed')
        break
      case 'pauseTaskManager':
        if (taskManager !== undefined) taskManager.runner.pausedUntilMs = until
        break
      case 'clock':
        this.#redis.clockMs += scheduler.between(-5000, 5000)
        break
    }
  }
}

const tolerant = { ...checkpointing, tolerableFailedCheckpoints: 1000 }

function shape(parallelism: number, isCounted: boolean): readonly VertexSketch[] {
  if (!isCounted) {
    return [
      { name: 'source', parallelism, kind: 'source' },
      { name: 'sink', parallelism, kind: 'sink', reads: { source: 'forward' } },
    ]
  }
  return [
    { name: 'source', parallelism, kind: 'source' },
    { name: 'count', parallelism, kind: 'operator', reads: { source: 'hash' } },
    { name: 'sink', parallelism: 1, kind: 'sink', reads: { count: 'rebalance' } },
  ]
}

/** One seed: the same seed gives the same run. */
export function simulate(seed: number, options: RunOptions = {}): Run {
  const simulation = new Simulation(seed, options)
  let failure: string | undefined
  try {
    simulation.run()
  } catch (error) {
    const text = error instanceof Violation ? error.message : String(error instanceof Error ? error.stack : error)
    failure = `seed ${seed}, at ${simulation.scheduler.nowMs.toFixed(1)} ms: ${text}`
  }
  const { nowMs, trace } = simulation.scheduler
  return { failure, trace, virtualMs: nowMs, counts: simulation.counts }
}
