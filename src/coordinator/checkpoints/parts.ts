import type { ExecutionSubtask } from '../../graph/execution-graph.ts'
import type { CheckpointRecord, SubtaskRecord } from '../../state/checkpoint-record.ts'
import type { CheckpointFacts, CheckpointsState } from './state.ts'

/** What a record holds of a subtask. */
export function partOf(
  record: CheckpointRecord | undefined,
  place: Pick<ExecutionSubtask, 'vertexId' | 'subtaskIndex'>,
): SubtaskRecord | undefined {
  const vertex = record?.vertices.find((candidate) => candidate.vertexId === place.vertexId)
  return vertex?.subtasks[place.subtaskIndex]
}

/**
 * The part of a finished subtask: as the last record has it. It has committed everything before it finished (R12), so
 * nothing of it waits any more.
 */
export function carriedPart(
  facts: CheckpointFacts,
  state: CheckpointsState,
  subtask: number,
): SubtaskRecord | undefined {
  const place = facts.graph.subtasks[subtask]
  const part = place === undefined ? undefined : partOf(state.latest, place)
  return part?.finished === true ? { ...part, hasCommittables: false } : undefined
}
