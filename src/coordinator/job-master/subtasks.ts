import type { AttemptId } from '../../common/ids.ts'
import type { CheckpointParticipant } from '../checkpoints/state.ts'
import { replaced } from '../decision.ts'
import type { GrantedSlot, JobMasterState, SlotAddress, SubtaskAttempt, SubtaskExecution } from './state.ts'

/** Index of the subtask whose current attempt this is; undefined: an attempt of the past, whose reports mean nothing (I5, I7). */
export function subtaskOfAttempt(state: JobMasterState, attemptId: AttemptId): number | undefined {
  const index = state.subtasks.findIndex((subtask) => subtask.type === 'attempt' && subtask.attemptId === attemptId)
  return index < 0 ? undefined : index
}

export function attemptOf(state: JobMasterState, subtask: number): SubtaskAttempt | undefined {
  const execution = state.subtasks[subtask]
  return execution?.type === 'attempt' ? execution : undefined
}

export function withSubtask(state: JobMasterState, subtask: number, execution: SubtaskExecution): JobMasterState {
  return { ...state, subtasks: replaced(state.subtasks, subtask, execution) }
}

export function slotAddressOf(state: JobMasterState, subtask: number): GrantedSlot | undefined {
  return state.slots[state.facts.slotOf[subtask] ?? -1]
}

/** Slots with an attempt that is not about to go, each once. */
export function slotsInUse(state: JobMasterState): readonly SlotAddress[] {
  const numbers = state.subtasks.flatMap((subtask, index) =>
    subtask.type === 'attempt' && subtask.status !== 'cancelling' ? [state.facts.slotOf[index] ?? -1] : [],
  )
  return [...new Set(numbers)].sort((a, b) => a - b).flatMap((number) => state.slots[number] ?? [])
}

export function regionOf(state: JobMasterState, subtask: number): number {
  return state.facts.graph.subtasks[subtask]?.region ?? -1
}

export function subtasksOfRegion(state: JobMasterState, region: number): readonly number[] {
  return state.facts.graph.regions[region]?.subtasks ?? []
}

/** Subtasks that have finished, and so have committed everything (R12). */
export function finishedOnes(state: JobMasterState): ReadonlySet<number> {
  return new Set(state.subtasks.flatMap((subtask, index) => (subtask.type === 'finished' ? [index] : [])))
}

/** Who takes part in a checkpoint that begins now; undefined: none can, since a subtask can not take part. */
export function participants(state: JobMasterState): readonly CheckpointParticipant[] | undefined {
  const all: CheckpointParticipant[] = []
  for (const subtask of state.subtasks) {
    if (subtask.type === 'finished') all.push({ type: 'finished' })
    else if (subtask.type === 'attempt' && isLive(subtask)) all.push({ type: 'live', attemptId: subtask.attemptId })
    else return undefined
  }
  return all
}

/** A closing subtask takes part when it has ended, at once: the next record has to say again that it is finished (R12). */
function isLive(attempt: SubtaskAttempt): boolean {
  if (attempt.status === 'running') return !attempt.closing
  return attempt.status === 'ended' || attempt.status === 'finishing'
}
