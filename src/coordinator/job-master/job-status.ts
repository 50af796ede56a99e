import type { ErrorData } from '../../common/errors.ts'
import type { JobId } from '../../common/ids.ts'
import type { CheckpointSummary } from '../checkpoints/state.ts'
import { unreachable } from '../decision.ts'
import { type JobMetrics, jobMetrics, type ReportedMetrics } from './metrics.ts'
import type { JobMasterState, JobOutcome } from './state.ts'
import { type VertexStatus, vertexStatuses } from './vertex-status.ts'

/** Flink's names where it has them. */
export type JobState =
  | 'CREATED'
  | 'INITIALIZING'
  | 'RUNNING'
  | 'RESTARTING'
  | 'DRAINING'
  | 'SUSPENDING'
  | 'FAILING'
  | 'CANCELLING'
  | JobOutcome

/** A job at one moment, for people and programs. */
export interface JobStatus {
  readonly jobId: JobId
  readonly jobName: string
  readonly state: JobState
  readonly metrics: JobMetrics
  readonly checkpoints: {
    /** Completed by this run. */
    readonly completed: number
    readonly failed: number
    readonly inProgress: boolean
    readonly last: CheckpointSummary | undefined
    readonly lastFailure: ErrorData | undefined
  }
  /** Restarts of regions. */
  readonly restarts: number
  readonly lastFailure: ErrorData | undefined
  /** Why the job has failed, or why its last checkpoint before SUSPENDED is missing. */
  readonly error: ErrorData | undefined
  /** In the order of the plan. */
  readonly vertices: readonly VertexStatus[]
  /** Addresses of the TaskManagers whose slots it has. */
  readonly taskManagers: readonly string[]
}

export function jobStatus(state: JobMasterState, reported: ReportedMetrics): JobStatus {
  const { checkpoints, phase } = state
  return {
    jobId: state.facts.jobId,
    jobName: state.facts.plan.jobName,
    state: jobState(state),
    metrics: jobMetrics(reported, state),
    checkpoints: {
      completed: checkpoints?.completed ?? 0,
      failed: checkpoints?.failed ?? 0,
      inProgress: checkpoints !== undefined && checkpoints.phase.type !== 'idle',
      last: checkpoints?.last,
      lastFailure: checkpoints?.lastFailure,
    },
    restarts: state.restarts,
    lastFailure: state.lastFailure,
    error: phase.type === 'ending' || phase.type === 'ended' ? phase.error : undefined,
    vertices: vertexStatuses(state, reported),
    taskManagers: [...new Set(state.slots.flatMap((slot) => slot?.taskManager ?? []))],
  }
}

export function jobState(state: JobMasterState): JobState {
  const { phase } = state
  switch (phase.type) {
    case 'waitingForSlots':
    case 'locatingSplits':
      return 'CREATED'
    case 'running':
      return runningState(state)
    case 'suspending':
      return 'SUSPENDING'
    case 'ending':
      return endingStates[phase.outcome]
    case 'ended':
      return phase.outcome
    default:
      return unreachable(phase)
  }
}

const endingStates = { FAILED: 'FAILING', CANCELED: 'CANCELLING', SUSPENDED: 'SUSPENDING' } as const

function runningState(state: JobMasterState): JobState {
  const statuses = state.regions.map((region) => region.status.type)
  if (statuses.includes('restarting')) return 'RESTARTING'
  if (statuses.includes('pending') || statuses.includes('deploying'))
    return state.restarts > 0 ? 'RESTARTING' : 'INITIALIZING'
  return state.draining ? 'DRAINING' : 'RUNNING'
}
