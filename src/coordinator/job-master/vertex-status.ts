import type { VertexId } from '../../common/ids.ts'
import type { ReportedMetrics } from './metrics.ts'
import type { JobMasterState, SubtaskExecution } from './state.ts'

/** States of subtasks, by Flink's names. */
export type SubtaskState = 'CREATED' | 'DEPLOYING' | 'RUNNING' | 'FINISHED' | 'CANCELING' | 'CANCELED' | 'FAILED'

/** One job vertex at one moment. */
export interface VertexStatus {
  readonly vertexId: VertexId
  /** How many subtasks are in which state; states that none is in are left out. */
  readonly subtasks: Readonly<Partial<Record<SubtaskState, number>>>
  /** Of the newest attempts. */
  readonly recordsIn: number
  readonly recordsOut: number
  /** Subtasks that wait for those after them. */
  readonly backpressured: number
}

/** In the order of the plan. */
export function vertexStatuses(state: JobMasterState, { attempts }: ReportedMetrics): readonly VertexStatus[] {
  const { plan, graph } = state.facts
  const reports = Map.groupBy(attempts.values(), ({ vertexId }) => vertexId)
  const subtasks = Map.groupBy(graph.subtasks, ({ vertexId }) => vertexId)
  return plan.vertices.map(({ id }) => {
    const counts: Partial<Record<SubtaskState, number>> = {}
    for (const { index } of subtasks.get(id) ?? []) {
      const subtaskState = stateOf(state.subtasks[index], state)
      counts[subtaskState] = (counts[subtaskState] ?? 0) + 1
    }
    const own = reports.get(id) ?? []
    return {
      vertexId: id,
      subtasks: counts,
      recordsIn: own.reduce((total, { recordsIn }) => total + recordsIn, 0),
      recordsOut: own.reduce((total, { recordsOut }) => total + recordsOut, 0),
      backpressured: own.filter(({ backpressured }) => backpressured).length,
    }
  })
}

function stateOf(subtask: SubtaskExecution | undefined, { phase }: JobMasterState): SubtaskState {
  if (subtask?.type === 'finished') return 'FINISHED'
  if (subtask?.type === 'attempt') {
    if (subtask.status === 'deploying') return 'DEPLOYING'
    return subtask.status === 'cancelling' ? 'CANCELING' : 'RUNNING'
  }
  return phase.type === 'ended' ? endStates[phase.outcome] : 'CREATED'
}

const endStates = { FINISHED: 'FINISHED', CANCELED: 'CANCELED', SUSPENDED: 'CANCELED', FAILED: 'FAILED' } as const
