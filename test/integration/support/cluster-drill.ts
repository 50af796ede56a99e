import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { IsolationLevel } from '../../../src/connectors/kafka/kafka-protocol.ts'
import { addressOf, ClusterProcesses, until } from './cluster.ts'
import { recordsOf } from './committed-records.ts'
import { pause, seeded } from './drill.ts'
import type { OwnKafka } from './kafka.ts'
import type { RunningCommand } from './millrace.ts'
import { createTopic, faultsOf, fillTopic, kafkaClient, payment, type RunningSum } from './payments.ts'
import { ProgressWatch } from './progress-watch.ts'

const job = resolve(import.meta.dirname, '../jobs/running-sum.ts')
/** So that each of three TaskManagers of two slots runs a part of the job, and none can be killed unnoticed. */
const parallelism = 5
/** The job's sources wait after so many records each. */
const recordsAPause = 200

export type Fault = 'leaderKill' | 'leaderPause' | 'taskManagerKill' | 'redisRestart' | 'kafkaRestart'

export interface ClusterDrillOptions {
  readonly bootstrap: string
  /** For `kafkaRestart`. */
  readonly kafka?: OwnKafka
  readonly faults: readonly Fault[]
  readonly records: number
  readonly recordsPerSecond: number
  readonly checkpointIntervalMs: number
  readonly leaseMs: number
  readonly seed: number
  /** The next fault waits until something was committed after the one before; otherwise until something was written. */
  readonly awaitsCommits: boolean
  /** Where what the processes of the cluster printed is kept. */
  readonly logFolder?: string
  onFault?(report: FaultReport): void
}

export interface FaultReport {
  readonly fault: Fault
  /** Since the drill began. */
  readonly atMs: number
  /** From the blow until a JobManager says that it leads. */
  readonly withoutLeaderMs?: number
  /** The longest time in which no record was written, from the blow until the next one. */
  readonly uncommittedPauseMs: number
  /** The same for what readers of committed data see. */
  readonly committedPauseMs: number
  readonly restarts: number
}

export interface ClusterDrillReport {
  readonly seed: number
  readonly state: string
  readonly records: number
  readonly seconds: number
  readonly restarts: number
  readonly lost: number
  readonly doubled: number
  /** What else is wrong with the results. */
  readonly wrong: readonly string[]
  readonly faults: readonly FaultReport[]
  /** The job had ended before these. */
  readonly missed: number
  /** What the client of the job printed. */
  readonly clientOutput: string
}

interface Blow {
  readonly fault: Fault
  readonly beginMs: number
  readonly withoutLeaderMs: number | undefined
  readonly restarts: number
}

/** An exactly-once job from Kafka to Kafka on a cluster of processes, which is hit by one fault after another. */
export async function clusterDrill(options: ClusterDrillOptions): Promise<ClusterDrillReport> {
  const topic = `drill-${process.pid}-${Date.now()}`
  const client = kafkaClient(options.bootstrap)
  await createTopic(client, topic, parallelism)
  await createTopic(client, `${topic}-out`, 3)
  await fillTopic(client, topic, options.records, {
    recordOf: (index) => {
      const value = payment(index)
      return { key: value.user, value: JSON.stringify(value) }
    },
    // A slow source that has taken a batch works on it before it begins a checkpoint.
    recordsABatch: 500,
  })
  const environment = { KAFKA_BROKERS: options.bootstrap }
  const started = await ClusterProcesses.start({ jobManagers: 2, taskManagers: 3, environment })
  const watch = new ProgressWatch(options.bootstrap.split(','), `${topic}-out`)
  try {
    return await new RunningDrill(options, started, { topic, watch }).run()
  } finally {
    if (options.logFolder !== undefined) keepLogs(options.logFolder, started.cluster.commands)
    await Promise.all([watch.stop(), started.cluster.stop()])
  }
}

function keepLogs(folder: string, commands: readonly RunningCommand[]): void {
  mkdirSync(folder, { recursive: true })
  for (const [index, command] of commands.entries()) {
    const kind = command.child.spawnargs[2] ?? 'command'
    writeFileSync(join(folder, `${index}-${kind}.log`), command.stderr())
  }
}

class RunningDrill {
  readonly #options: ClusterDrillOptions
  readonly #cluster: ClusterProcesses
  readonly #jobManagers: RunningCommand[]
  readonly #taskManagers: RunningCommand[]
  readonly #random: () => number
  readonly #topic: string
  readonly #watch: ProgressWatch
  readonly #run: RunningCommand
  readonly #startedMs = performance.now()
  readonly #reports: FaultReport[] = []
  #ended = false

  constructor(
    options: ClusterDrillOptions,
    started: Awaited<ReturnType<typeof ClusterProcesses.start>>,
    output: { readonly topic: string; readonly watch: ProgressWatch },
  ) {
    this.#options = options
    this.#cluster = started.cluster
    this.#jobManagers = [...started.jobManagers]
    this.#taskManagers = [...started.taskManagers]
    this.#random = seeded(options.seed)
    this.#topic = output.topic
    this.#watch = output.watch
    this.#run = this.#submit()
    void this.#run.result.then(() => {
      this.#ended = true
    })
  }

  async run(): Promise<ClusterDrillReport> {
    await this.#untilGrownAfter(this.#startedMs, 'read_committed')
    for (const fault of this.#options.faults) {
      await pause(300 + this.#random() * 1000)
      if (this.#ended) break
      const blow = await this.#strike(fault)
      // What readers see after it: its own end is the begin of the next.
      const report = await this.#reportOf(blow)
      this.#reports.push(report)
      this.#options.onFault?.(report)
    }
    const { stdout, stderr } = await this.#run.result
    const seconds = (performance.now() - this.#startedMs) / 1000
    const summary = this.#summary(stdout)
    const { faults, records, seed } = this.#options
    return {
      seed,
      ...summary,
      records,
      seconds,
      ...(await this.#checked()),
      faults: this.#reports,
      missed: faults.length - this.#reports.length,
      clientOutput: stderr,
    }
  }

  #submit(): RunningCommand {
    const { checkpointIntervalMs, recordsPerSecond } = this.#options
    const settings = {
      'execution.checkpointing.interval': `${checkpointIntervalMs}ms`,
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': '1000',
      'restart-strategy.fixed-delay.delay': '100ms',
    }
    const flags = Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`])
    const pauseMs = Math.round((parallelism * recordsAPause * 1000) / recordsPerSecond)
    const args = ['--', this.#topic, 'unused', String(pauseMs), '', `${this.#topic}-out`]
    return this.#cluster.run(job, this.#jobManagers, ['-p', String(parallelism), ...flags, ...args])
  }

  #summary(stdout: string): { readonly state: string; readonly restarts: number } {
    try {
      const { state, restarts } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
        state: string
        restarts: number
      }
      return { state, restarts }
    } catch {
      return { state: 'unknown', restarts: Number.NaN }
    }
  }

  async #strike(fault: Fault): Promise<Blow> {
    const restartsBefore = await this.#restarts()
    const beginMs = performance.now()
    let withoutLeaderMs: number | undefined
    switch (fault) {
      case 'leaderKill':
        withoutLeaderMs = await this.#killLeader(beginMs)
        break
      case 'leaderPause':
        withoutLeaderMs = await this.#pauseLeader(beginMs)
        break
      case 'taskManagerKill':
        await this.#killTaskManager(restartsBefore)
        break
      case 'redisRestart':
        await this.#cluster.redis.restart()
        break
      case 'kafkaRestart':
        await this.#options.kafka?.kill()
        await this.#options.kafka?.restart()
        break
      default: {
        const never: never = fault
        throw new TypeError(`unknown fault ${String(never)}`)
      }
    }
    await this.#untilGrownAfter(performance.now(), this.#options.awaitsCommits ? 'read_committed' : 'read_uncommitted')
    return { fault, beginMs, withoutLeaderMs, restarts: (await this.#restarts()) - restartsBefore }
  }

  async #killLeader(beginMs: number): Promise<number> {
    const leader = await this.#leader()
    leader.child.kill('SIGKILL')
    await leader.result
    this.#jobManagers.splice(this.#jobManagers.indexOf(leader), 1)
    await this.#leader()
    const withoutLeaderMs = performance.now() - beginMs
    const port = Number(addressOf(leader).split(':').at(-1))
    this.#jobManagers.push(await this.#cluster.jobManager(port))
    return withoutLeaderMs
  }

  /** For longer than its lease: it comes back as one that leads no more (I4). */
  async #pauseLeader(beginMs: number): Promise<number> {
    const leader = await this.#leader()
    leader.child.kill('SIGSTOP')
    try {
      await this.#leader(leader)
      const withoutLeaderMs = performance.now() - beginMs
      await pause(Math.max(0, this.#options.leaseMs + 1000 - withoutLeaderMs))
      return withoutLeaderMs
    } finally {
      leader.child.kill('SIGCONT')
      await until('the paused leader stands by', () => this.#ended || !leads(leader))
    }
  }

  async #killTaskManager(restartsBefore: number): Promise<void> {
    const [victim] = this.#taskManagers.splice(Math.floor(this.#random() * this.#taskManagers.length), 1)
    if (victim === undefined) return
    this.#cluster.killTaskManager(victim)
    this.#taskManagers.push(await this.#cluster.taskManager())
    await until('a restart', async () => this.#ended || (await this.#restarts()) > restartsBefore)
  }

  /** The JobManager that leads, other than `besides`. */
  async #leader(besides?: RunningCommand): Promise<RunningCommand> {
    let found: RunningCommand | undefined
    await until('a JobManager leads', () => {
      found = this.#jobManagers.find((each) => each !== besides && leads(each))
      return found !== undefined
    })
    if (found === undefined) throw new Error('nobody leads')
    return found
  }

  async #untilGrownAfter(momentMs: number, isolation: IsolationLevel): Promise<void> {
    const limitMs = 60_000
    await until(
      `the output has grown (${isolation})`,
      () => this.#ended || this.#watch.lastMs(isolation) > momentMs,
      limitMs,
    ).catch((error: unknown) => {
      const words = [...this.#jobManagers, ...this.#taskManagers, this.#run].map((each) => each.stderr().slice(-3000))
      throw new Error(`${(error as Error).message}\n${words.join('\n--\n')}`, { cause: error })
    })
  }

  async #reportOf({ fault, beginMs, withoutLeaderMs, restarts }: Blow): Promise<FaultReport> {
    const endMs = performance.now()
    const longest = (isolation: IsolationLevel) => Math.round(this.#watch.longestPauseMs(isolation, beginMs, endMs))
    return {
      fault,
      atMs: Math.round(beginMs - this.#startedMs),
      ...(withoutLeaderMs === undefined ? {} : { withoutLeaderMs: Math.round(withoutLeaderMs) }),
      uncommittedPauseMs: longest('read_uncommitted'),
      committedPauseMs: longest('read_committed'),
      restarts,
    }
  }

  /** Of the job, so far. */
  async #restarts(): Promise<number> {
    let restarts = Number.NaN
    await until('a JobManager tells of the job', async () => {
      if (this.#ended) return true
      restarts = await restartsAt(addressOf(await this.#leader()))
      return !Number.isNaN(restarts)
    })
    return restarts
  }

  async #checked(): Promise<{ readonly lost: number; readonly doubled: number; readonly wrong: readonly string[] }> {
    const { bootstrap, records } = this.#options
    const read = await recordsOf(bootstrap.split(','), `${this.#topic}-out`)
    const sums = read.map(({ value }) => JSON.parse(value ?? '') as RunningSum)
    const distinct = new Set(sums.map(({ id }) => id)).size
    return { lost: records - distinct, doubled: sums.length - distinct, wrong: faultsOf(sums, records) }
  }
}

function leads(jobManager: RunningCommand): boolean {
  const text = jobManager.stderr()
  return text.lastIndexOf('millrace: the JobManager leads') > text.lastIndexOf('millrace: standby:')
}

/** NaN where it can not tell now. */
async function restartsAt(address: string): Promise<number> {
  const get = async <Answer>(path: string): Promise<Answer> => {
    const answer = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(5000) })
    return (await answer.json()) as Answer
  }
  try {
    const { jobs } = await get<{ readonly jobs: readonly { readonly jid: string }[] }>('/jobs/overview')
    const { restarts } = await get<{ readonly restarts?: number }>(`/jobs/${jobs[0]?.jid}/detail`)
    return restarts ?? Number.NaN
  } catch {
    return Number.NaN
  }
}
