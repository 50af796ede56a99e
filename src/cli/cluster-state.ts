import { MillraceError } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import { connectToCluster } from './cluster-connection.ts'
import { type BackgroundProcess, isRunning, wordsOf } from './cluster-folder.ts'

/** `starting`: it runs, and does not answer or is not registered yet. */
export type ProcessState = 'leads' | 'stands by' | 'registered' | 'starting' | 'gone'

export interface ObservedProcess extends BackgroundProcess {
  readonly state: ProcessState
  /** URL of a JobManager's REST server, id of a TaskManager. */
  readonly identity: string | undefined
  /** Of a registered TaskManager. */
  readonly slots?: { readonly total: number; readonly free: number }
}

export interface ClusterState {
  readonly processes: readonly ObservedProcess[]
  /** One leads, and all that were started are there. */
  readonly complete: boolean
}

type TaskManagers = ReadonlyMap<string, { readonly total: number; readonly free: number }>

/** Looks at each process, and asks the JobManagers by REST. */
export async function observeCluster(
  processes: readonly BackgroundProcess[],
  configuration: Configuration,
): Promise<ClusterState> {
  const seen = await Promise.all(
    processes.map(async (each) => ({ ...each, running: isRunning(each), identity: (await wordsOf(each)).identity })),
  )
  const answering = seen.filter(
    ({ kind, running, identity }) => kind === 'jobmanager' && running && identity !== undefined,
  )
  const roles = new Map(
    await Promise.all(
      answering.map(async ({ identity = '' }) => [identity, await roleOf(identity, configuration)] as const),
    ),
  )
  const leader = [...roles].find(([, role]) => role === 'leads')?.[0]
  const taskManagers: TaskManagers = leader === undefined ? new Map() : await taskManagersOf(leader, configuration)
  const observed = seen.map(({ running, ...each }): ObservedProcess => {
    if (!running) return { ...each, state: 'gone' }
    if (each.kind === 'jobmanager') return { ...each, state: roles.get(each.identity ?? '') ?? 'starting' }
    const slots = taskManagers.get(each.identity ?? '')
    return slots === undefined ? { ...each, state: 'starting' } : { ...each, state: 'registered', slots }
  })
  const complete = leader !== undefined && observed.every(({ state }) => state !== 'gone' && state !== 'starting')
  return { processes: observed, complete }
}

async function roleOf(url: string, configuration: Configuration): Promise<ProcessState> {
  const answer = await now(url, configuration, (client) => client.leader())
  if (answer === undefined) return 'starting'
  return answer.leading ? 'leads' : 'stands by'
}

async function taskManagersOf(url: string, configuration: Configuration): Promise<TaskManagers> {
  const answer = (await now(url, configuration, (client) => client.taskManagers())) ?? []
  return new Map(
    answer.map(({ id, slotsNumber, freeSlots }) => [
      id.replace(/^task-manager\//, ''),
      { total: slotsNumber, free: freeSlots },
    ]),
  )
}

/** What a JobManager answers at once; undefined where it does not, or nobody leads. */
async function now<T>(
  url: string,
  configuration: Configuration,
  ask: (client: Awaited<ReturnType<typeof connectToCluster>>) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask(await connectToCluster(url, { ...configuration, 'client.timeout': 0 }))
  } catch (error) {
    const waits = ['MR_CLUSTER_UNREACHABLE', 'MR_NO_LEADER', 'MR_REDIS_UNAVAILABLE', 'MR_REDIS_UNDETERMINED']
    if (error instanceof MillraceError && waits.includes(error.code)) return undefined
    throw error
  }
}
