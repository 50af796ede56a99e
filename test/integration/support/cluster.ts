import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, killNow, type RunningCommand, startMillrace } from './millrace.ts'
import { RedisServer } from './redis.ts'
import { TrialFolder } from './trial-folder.ts'

/** Waits for something that another process does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  const startedMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** `host:port` of a JobManager. */
export function addressOf(jobManager: RunningCommand): string {
  return /JobManager at http:\/\/(\S+),/.exec(jobManager.stderr())?.[1] ?? ''
}

/** A cluster of processes on a Redis of its own. */
export class ClusterProcesses {
  readonly folder = new TrialFolder()
  readonly redis: RedisServer
  readonly #commands: RunningCommand[] = []
  readonly #environment: Readonly<Record<string, string>>

  private constructor(redis: RedisServer, environment: Readonly<Record<string, string>>) {
    this.redis = redis
    this.#environment = environment
  }

  static async start(options: {
    readonly jobManagers: number
    readonly taskManagers: number
    readonly environment?: Readonly<Record<string, string>>
  }) {
    const { jobManagers, taskManagers, environment = {} } = options
    const cluster = new ClusterProcesses(await RedisServer.start(), environment)
    const managers: RunningCommand[] = []
    for (let index = 0; index < jobManagers; index++) managers.push(await cluster.jobManager())
    const workers = await Promise.all(Array.from({ length: taskManagers }, () => cluster.taskManager()))
    return { cluster, jobManagers: managers, taskManagers: workers }
  }

  /** All that were started, also those that were killed. */
  get commands(): readonly RunningCommand[] {
    return this.#commands
  }

  /** `port`: of one that was killed, so that clients who know it find the new one. */
  async jobManager(port = 0): Promise<RunningCommand> {
    const command = this.#launch(['jobmanager', '-D', `rest.port=${port}`])
    await until('a JobManager is there', () => /JobManager at/.test(command.stderr()))
    return command
  }

  async taskManager(slots = 2): Promise<RunningCommand> {
    const command = this.#launch(['taskmanager', '-D', `taskmanager.numberOfTaskSlots=${slots}`])
    await until('a TaskManager is there', () => /TaskManager \S+ with/.test(command.stderr()))
    return command
  }

  /** SIGKILL of a TaskManager's supervisor and of its working process. */
  killTaskManager({ child }: RunningCommand): void {
    const children = child.pid === undefined ? [] : childrenOf(child.pid)
    child.kill('SIGKILL')
    for (const each of children) killNow(each)
  }

  /** `millrace run -m`. */
  run(file: string, jobManagers: readonly RunningCommand[], args: readonly string[]): RunningCommand {
    const addresses = jobManagers.map(addressOf).join()
    return this.#launch(['run', file, '-m', addresses, '--json', ...args], false)
  }

  /** Lines of the files that a FileSink has published. */
  lines(folder: string): readonly string[] {
    const path = join(this.folder.path, folder)
    try {
      const names = readdirSync(path, { recursive: true, withFileTypes: true })
      const files = names.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      return files.flatMap((entry) =>
        readFileSync(join(entry.parentPath, entry.name), 'utf8').split('\n').filter(Boolean),
      )
    } catch {
      return []
    }
  }

  /** Keys of jobs, of their state and of bundles. */
  async keysOfJobs(): Promise<readonly string[]> {
    const keys = await this.redis.client.keys('*')
    return keys.filter((key) => /:(?:job:|jobs|blob:|bundle:)/.test(key))
  }

  async stop(): Promise<void> {
    for (const { child } of this.#commands) child.kill('SIGKILL')
    await Promise.all(this.#commands.map(({ result }) => result))
    await this.redis.stop()
    this.folder.remove()
  }

  #launch(args: readonly string[], isProcess = true): RunningCommand {
    const settings = ['-D', `high-availability.redis.url=${this.redis.url}`]
    const command = startMillrace([...args, ...(isProcess ? settings : [])], {
      cwd: this.folder.path,
      environment: this.#environment,
    })
    this.#commands.push(command)
    return command
  }
}
