import { relative } from 'node:path'
import { MillraceError } from '../common/errors.ts'
import { systemClock } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { refuseWithoutSecret } from '../deploy/cluster-secret.ts'
import { clusterSettings } from '../deploy/cluster-settings.ts'
import { checkRedis } from '../redis/check-redis.ts'
import { openRedis } from '../redis/redis-connection.ts'
import { controlRedisOptions } from '../redis/redis-options.ts'
import { restSettings } from '../rest/rest-settings.ts'
import { type BackgroundProcess, ClusterFolder, isRunning, signalTo, wordsOf } from './cluster-folder.ts'
import { type ClusterState, type ObservedProcess, observeCluster } from './cluster-state.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'
import { textTable } from './text-table.ts'

export interface ClusterStartFlags extends ConfigurationFlags {
  readonly jobmanagers: string
  readonly taskmanagers: string
  /** Of each TaskManager. */
  readonly slots?: string
}

const startLimitMs = 60_000
/** What runs in a TaskManager can go on elsewhere only while others stay, which they do not here (R29). */
const endLimitMs = 10_000
const killedLimitMs = 5000
const pauseMs = 100

/** `millrace cluster start`: processes in the background, and returns when they can be given jobs. */
export async function clusterStart(flags: ClusterStartFlags): Promise<ExitCode> {
  const jobManagers = numberIn('--jobmanagers', flags.jobmanagers)
  const taskManagers = numberIn('--taskmanagers', flags.taskmanagers)
  const slots = flags.slots === undefined ? undefined : numberIn('--slots', flags.slots)
  const configuration = await loadConfiguration(process.cwd(), flags)
  const { clusterId } = clusterSettings(configuration)
  const { port } = restSettings(configuration)
  refuseWithoutSecret(configuration)
  const folder = new ClusterFolder(process.cwd())
  const running = folder.processes().filter(isRunning)
  if (running.length > 0) {
    const names = running.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ')
    tell(`a cluster that was started in this folder runs already: ${names}; millrace cluster status, or stop, first`)
    return exitCode.environment
  }
  await refuseWithoutRedis(configuration)
  folder.clear()
  const own = flags.define.filter((each) => !/^\s*(?:rest\.port|taskmanager\.numberOfTaskSlots)\s*=/.test(each))
  const settings = (key: string, value: unknown): string[] =>
    [...own, ...(value === undefined ? [] : [`${key}=${String(value)}`])].flatMap((each) => ['-D', each])
  const slotsEach = slots ?? configuration['taskmanager.numberOfTaskSlots']
  for (let index = 1; index <= jobManagers; index++) {
    folder.launch(`jobmanager-${index}`, 'jobmanager', settings('rest.port', index === 1 ? port : 0))
  }
  for (let index = 1; index <= taskManagers; index++) {
    folder.launch(`taskmanager-${index}`, 'taskmanager', settings('taskmanager.numberOfTaskSlots', slotsEach))
  }
  const state = await whenComplete(folder, configuration)
  if (!state.complete) return await failedStart(folder, state)
  for (const each of state.processes) print(lineOf(each))
  const addresses = state.processes.filter(({ kind }) => kind === 'jobmanager').map(({ identity = '' }) => identity)
  const given = addresses.map((url) => url.replace(/^http:\/\//, '')).join(',')
  print(`cluster ${clusterId} is ready: millrace run <job file> -m ${given}`)
  return exitCode.done
}

/** `millrace cluster status`: 3 where something that was started is missing. */
export async function clusterStatus(flags: ConfigurationFlags & { readonly json?: boolean }): Promise<ExitCode> {
  const configuration = await loadConfiguration(process.cwd(), flags)
  const { clusterId } = clusterSettings(configuration)
  const { processes, complete } = await observeCluster(new ClusterFolder(process.cwd()).processes(), configuration)
  if (flags.json === true) {
    const rows = processes.map(({ name, kind, pid, state, identity = null, slots = null, logFile }) => ({
      ...{ name, kind, pid, state },
      ...(kind === 'jobmanager' ? { address: identity } : { id: identity, slots }),
      logFile,
    }))
    print(JSON.stringify({ cluster: clusterId, complete, processes: rows }))
  } else if (processes.length === 0) {
    print('no cluster was started in this folder: millrace cluster start')
  } else {
    const rows = processes.map((each) => [
      each.name,
      String(each.pid),
      each.state,
      each.identity ?? '-',
      each.slots === undefined ? '-' : `${each.slots.free}/${each.slots.total}`,
      relative(process.cwd(), each.logFile),
    ])
    print(textTable(['PROCESS', 'PID', 'STATE', 'ADDRESS OR ID', 'FREE SLOTS', 'LOG'], rows))
  }
  return complete ? exitCode.done : exitCode.environment
}

/** `millrace cluster stop`: jobs that run stay in Redis, and go on when the cluster is started again. */
export async function clusterStop(): Promise<ExitCode> {
  const folder = new ClusterFolder(process.cwd())
  const processes = folder.processes()
  if (processes.length === 0) {
    print('no cluster was started in this folder')
    folder.clear()
    return exitCode.done
  }
  const left = await endProcesses(processes)
  for (const each of left) tell(`${each.name} (pid ${each.pid}) does not end; its files stay`)
  if (left.length > 0) return exitCode.environment
  folder.clear()
  print(`stopped: ${processes.map(({ name }) => name).join(', ')}`)
  return exitCode.done
}

async function whenComplete(folder: ClusterFolder, configuration: Configuration): Promise<ClusterState> {
  const startedMs = systemClock.monotonicMs()
  for (;;) {
    const state = await observeCluster(folder.processes(), configuration)
    const hopeless = state.processes.some((each) => each.state === 'gone')
    if (state.complete || hopeless || systemClock.monotonicMs() - startedMs > startLimitMs) return state
    await pause()
  }
}

/** Nothing runs on half; the logs stay. */
async function failedStart(folder: ClusterFolder, { processes }: ClusterState): Promise<ExitCode> {
  const gone = processes.filter(({ state }) => state === 'gone')
  const culprits = gone.length > 0 ? gone : processes.filter(({ state }) => state === 'starting')
  for (const each of culprits) {
    const what = each.state === 'gone' ? 'ended' : `is not ready after ${startLimitMs / 1000} s`
    tell(`${each.name} ${what}; its log is ${relative(process.cwd(), each.logFile)}`)
    for (const line of (await wordsOf(each)).last) process.stderr.write(`  ${line}\n`)
  }
  await endProcesses(processes)
  for (const each of processes) if (!isRunning(each)) folder.forget(each)
  tell('the cluster was not started')
  return exitCode.environment
}

/** TaskManagers first: a leader lets those that are empty go at once. Gives those that are still there. */
async function endProcesses(processes: readonly BackgroundProcess[]): Promise<readonly BackgroundProcess[]> {
  for (const kind of ['taskmanager', 'jobmanager'] as const) {
    const those = processes.filter((each) => each.kind === kind)
    for (const each of those) signalTo(each, 'SIGTERM')
    const stuck = await whenEnded(those, endLimitMs)
    for (const each of stuck) signalTo(each, 'SIGKILL')
    await whenEnded(stuck, killedLimitMs)
  }
  return processes.filter(isRunning)
}

async function whenEnded(
  processes: readonly BackgroundProcess[],
  limitMs: number,
): Promise<readonly BackgroundProcess[]> {
  const startedMs = systemClock.monotonicMs()
  for (;;) {
    const left = processes.filter(isRunning)
    if (left.length === 0 || systemClock.monotonicMs() - startedMs > limitMs) return left
    await pause()
  }
}

/** One clear message, instead of one in the log of each process. */
async function refuseWithoutRedis(configuration: Configuration): Promise<void> {
  const connection = await openRedis(controlRedisOptions(configuration), systemClock)
  try {
    checkRedis(connection)
  } finally {
    connection.close()
  }
}

function lineOf({ name, pid, state, identity = '', slots }: ObservedProcess): string {
  const where = slots === undefined ? `at ${identity}` : `${identity} with ${slots.total} slots`
  return `${name} ${state}: ${where} (pid ${pid})`
}

function numberIn(flag: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= 100) return number
  throw new MillraceError('MR_CONFIGURATION', `${flag}: ${JSON.stringify(text)} is not allowed; it takes 1 to 100`)
}

function pause(): Promise<void> {
  return new Promise((resolve) => systemClock.schedule(pauseMs, resolve))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function tell(text: string): void {
  process.stderr.write(`millrace: ${text}\n`)
}
