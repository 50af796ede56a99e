import type { JobState } from '../../coordinator/job-master/job-status.ts'
import type { SubtaskState, VertexStatus } from '../../coordinator/job-master/vertex-status.ts'
import { type ExecutionState, executionState, type FlinkJobState, flinkJobState } from '../schemas/job.ts'

/** Flink has no state of its own for a job that drains or takes its last checkpoint. */
export function flinkState(state: JobState): FlinkJobState {
  return state === 'DRAINING' || state === 'SUSPENDING' ? 'RUNNING' : state
}

export type Counts = Record<ExecutionState, number>

/** All of Flink's states, with 0 where no subtask is. */
export function countsOf(subtasks: readonly VertexStatus['subtasks'][]): Counts {
  const counts = Object.fromEntries(executionState.options.map((state) => [state, 0])) as Counts
  for (const some of subtasks) {
    for (const [state, count] of Object.entries(some)) counts[state as SubtaskState] += count
  }
  return counts
}

/** The state of a vertex, by those of its subtasks: as Flink, the one that needs the most attention. */
export function aggregateState(subtasks: VertexStatus['subtasks']): ExecutionState {
  const precedence = ['FAILED', 'CANCELING', 'CANCELED', 'DEPLOYING', 'CREATED', 'RUNNING', 'FINISHED'] as const
  return precedence.find((state) => (subtasks[state] ?? 0) > 0) ?? 'CREATED'
}

/** 0 for states that it never was in. */
export function flinkTimes(times: Readonly<Partial<Record<JobState, number>>>): Record<FlinkJobState, number> {
  const all = Object.fromEntries(flinkJobState.options.map((state) => [state, 0])) as Record<FlinkJobState, number>
  for (const [state, at] of Object.entries(times)) {
    const name = flinkState(state as JobState)
    all[name] = Math.max(all[name], at)
  }
  return all
}
