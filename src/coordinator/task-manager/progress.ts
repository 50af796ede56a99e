import { type AttemptId, type CheckpointId, type DeploymentId, noCheckpoint } from '../../common/ids.ts'
import type { FromSlot, ToSlot } from '../../task/slot-protocol.ts'
import type { Decision } from '../decision.ts'
import type { AttemptInventory, Inventory, SlotInventory } from './inventory.ts'
import { withSlot } from './slots.ts'
import { jobOf, type KeptEnd, type SlotAttempt, type TaskManagerEffect, type TaskManagerState } from './state.ts'

export function newAttempt(attemptId: AttemptId, deploymentId: DeploymentId): SlotAttempt {
  const progress = { begun: noCheckpoint, acknowledged: noCheckpoint, completed: noCheckpoint }
  return { attemptId, deploymentId, cancelling: false, failure: undefined, state: 'deploying', ...progress }
}

/** What an attempt reports tells how far it is. */
export function withReported(state: TaskManagerState, slotIndex: number, message: FromSlot): TaskManagerState {
  switch (message.type) {
    case 'running':
    case 'ended': {
      const { type } = message
      return withAttempts(state, slotIndex, (attempt) =>
        attempt.attemptId === message.attemptId ? { ...attempt, state: type } : attempt,
      )
    }
    case 'checkpointAcknowledged':
    case 'checkpointDeclined': {
      const { checkpointId, attemptId, type } = message
      const acknowledged = type === 'checkpointAcknowledged' ? checkpointId : noCheckpoint
      return withAttempts(state, slotIndex, (attempt) =>
        attempt.attemptId === attemptId
          ? {
              ...attempt,
              begun: higher(attempt.begun, checkpointId),
              acknowledged: higher(attempt.acknowledged, acknowledged),
            }
          : attempt,
      )
    }
    default:
      return state
  }
}

/** What slots are told of checkpoints is for all their attempts. */
export function withCommanded(
  state: TaskManagerState,
  slotIndexes: readonly number[],
  message: ToSlot,
): TaskManagerState {
  if (message.type !== 'triggerCheckpoint' && message.type !== 'checkpointCompleted') return state
  return slotIndexes.reduce(
    (current, slotIndex) =>
      withAttempts(current, slotIndex, (attempt) =>
        message.type === 'triggerCheckpoint'
          ? { ...attempt, begun: higher(attempt.begun, message.barrier.id) }
          : { ...attempt, completed: higher(attempt.completed, message.checkpointId) },
      ),
    state,
  )
}

function withAttempts(
  state: TaskManagerState,
  slotIndex: number,
  change: (attempt: SlotAttempt) => SlotAttempt,
): TaskManagerState {
  const slot = state.slots[slotIndex]
  if (slot?.type !== 'running') return state
  return withSlot(state, slotIndex, { ...slot, attempts: slot.attempts.map(change) })
}

function higher(one: CheckpointId, other: CheckpointId): CheckpointId {
  return one > other ? one : other
}

/** After a step: how the attempts that it has ended were, and nothing more of slots that were given back. */
export function withEnds(
  before: TaskManagerState,
  { state, effects }: Decision<TaskManagerState, TaskManagerEffect>,
): TaskManagerState {
  let { ends } = state
  for (const effect of effects) {
    if (effect.type === 'report') ends = [...ends, ...endsOf(before, effect)]
    if (effect.type === 'slotFreed') ends = ends.filter(({ slotIndex }) => slotIndex !== effect.slotIndex)
  }
  return ends === state.ends ? state : { ...state, ends }
}

function endsOf(
  before: TaskManagerState,
  { jobId, message }: Extract<TaskManagerEffect, { readonly type: 'report' }>,
): readonly KeptEnd[] {
  if (message.type !== 'finished' && message.type !== 'failed' && message.type !== 'canceled') return []
  const place = placeOf(before, message.attemptId)
  if (place === undefined) return []
  const { slotIndex, attempt } = place
  const { attemptId, begun, acknowledged, completed } = attempt
  const error = message.type === 'failed' ? { error: message.error } : {}
  return [{ slotIndex, jobId, attempt: { attemptId, state: message.type, ...error, begun, acknowledged, completed } }]
}

/** Of an attempt that lives or waits to be deployed. */
function placeOf(
  state: TaskManagerState,
  attemptId: AttemptId,
): { readonly slotIndex: number; readonly attempt: SlotAttempt } | undefined {
  for (const [slotIndex, slot] of state.slots.entries()) {
    if (slot.type !== 'running' && slot.type !== 'stopping') continue
    const attempt = slot.attempts.find((candidate) => candidate.attemptId === attemptId)
    if (attempt !== undefined) return { slotIndex, attempt }
  }
  for (const { deploymentId, slots } of state.waiting) {
    const place = slots.find(({ subtasks }) => subtasks.some((subtask) => subtask.attemptId === attemptId))
    if (place !== undefined) return { slotIndex: place.slotIndex, attempt: newAttempt(attemptId, deploymentId) }
  }
  return undefined
}

export function withAcknowledgedEnds(state: TaskManagerState, attemptIds: readonly AttemptId[]): TaskManagerState {
  return { ...state, ends: state.ends.filter(({ attempt }) => !attemptIds.includes(attempt.attemptId)) }
}

export interface InventoryFacts {
  readonly taskManager: string
  readonly highestToken: string | undefined
  readonly lostPeers: readonly string[]
}

/** All that the TaskManager has, as of the messages that it has handled (R23 b). */
export function inventoryOf(state: TaskManagerState, facts: InventoryFacts): Inventory {
  return {
    ...facts,
    numberOfSlots: state.slots.length,
    slots: state.slots.map((_, slotIndex) => slotInventoryOf(state, slotIndex)),
  }
}

function slotInventoryOf(state: TaskManagerState, slotIndex: number): SlotInventory {
  const slot = state.slots[slotIndex]
  const living = slot?.type === 'running' || slot?.type === 'stopping' ? slot.attempts : []
  const waiting = state.waiting.flatMap(({ deploymentId, slots }) =>
    slots
      .filter((entry) => entry.slotIndex === slotIndex)
      .flatMap(({ subtasks }) => subtasks.map(({ attemptId }) => newAttempt(attemptId, deploymentId))),
  )
  const ended = state.ends.filter((end) => end.slotIndex === slotIndex).map(({ attempt }) => attempt)
  return {
    slotIndex,
    jobId: jobOf(slot)?.start.jobId,
    state: slot?.type ?? 'free',
    attempts: [...[...living, ...waiting].map(attemptInventoryOf), ...ended],
  }
}

function attemptInventoryOf({ attemptId, state, begun, acknowledged, completed }: SlotAttempt): AttemptInventory {
  return { attemptId, state, begun, acknowledged, completed }
}
