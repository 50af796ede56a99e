import type { SubtaskRecord } from '../../state/checkpoint-record.ts'
import type { CheckpointFacts, CheckpointsState } from './state.ts'

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
  const vertex = state.latest?.vertices.find((candidate) => candidate.vertexId === place?.vertexId)
  const part = place === undefined ? undefined : vertex?.subtasks[place.subtaskIndex]
  return part?.finished === true ? { ...part, hasCommittables: false } : undefined
}
