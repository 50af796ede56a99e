import { type CheckpointId, noCheckpoint } from '../../common/ids.ts'
import { checkpointDeclined } from '../checkpoints/abort.ts'
import { subtaskCommitted } from '../checkpoints/commits.ts'
import { checkpointAcknowledged } from '../checkpoints/complete.ts'
import { subtaskFinished } from '../checkpoints/finished.ts'
import { type Decision, inSequence, type Moment, unchanged, unreachable } from '../decision.ts'
import { withCheckpoints } from './checkpointing.ts'
import { splitsToRead } from './deployment.ts'
import type { AttemptEvent, JobMasterEffect } from './messages.ts'
import { failRegions, fallBackOrFail } from './regions.ts'
import type { JobMasterState, SubtaskAttempt } from './state.ts'
import { attemptOf, regionOf, slotAddressOf, subtaskOfAttempt, withSubtask } from './subtasks.ts'
import { restoredCommitted, transactionEvent, transactionsFinished } from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** A report of a subtask. Those of attempts that are not current mean nothing (I5, I7). */
export function attemptEvent(state: JobMasterState, event: AttemptEvent, now: Moment): JobDecision {
  const subtask = subtaskOfAttempt(state, event.attemptId)
  const attempt = subtask === undefined ? undefined : attemptOf(state, subtask)
  if (subtask === undefined || attempt === undefined) return unchanged(state)
  switch (event.type) {
    case 'running':
      return running(state, subtask, attempt)
    case 'ended':
      if (attempt.status === 'cancelling') return unchanged(state)
      return unchanged(withSubtask(state, subtask, { ...attempt, status: 'ended' }))
    case 'transactionalIdsRequested':
    case 'transactionsFenced':
      return transactionEvent(state, event)
    case 'finished':
      return withCheckpoints(
        withSubtask(transactionsFinished(state, event.attemptId), subtask, { type: 'finished' }),
        (checkpoints, facts) => subtaskFinished(facts, checkpoints, subtask, now),
      )
    case 'canceled':
      return unchanged(withSubtask(state, subtask, { type: 'none' }))
    case 'failed':
      return failed(state, subtask, attempt, { event, now })
    case 'checkpointAcknowledged':
      return acknowledged(state, subtask, attempt, { event, now })
    case 'checkpointDeclined':
      return withCheckpoints(state, (checkpoints, facts) => checkpointDeclined(facts, checkpoints, event, now))
    case 'committed':
      return committed(state, subtask, event.checkpointId)
    default:
      return unreachable(event)
  }
}

/** Restored: what its checkpoint listed is committed before anything is processed (R16). */
function running(state: JobMasterState, subtask: number, attempt: SubtaskAttempt): JobDecision {
  if (attempt.status !== 'deploying') return unchanged(state)
  const next = withSubtask(state, subtask, { ...attempt, status: 'running', lateSplits: [] })
  const slot = slotAddressOf(state, subtask)
  const effects: JobMasterEffect[] = []
  if (slot !== undefined && attempt.lateSplits.length > 0) {
    const { attemptId, lateSplits: splits } = attempt
    effects.push({ type: 'toSlots', slots: [slot], message: { type: 'addSplits', attemptId, splits } })
  }
  if (slot !== undefined && state.draining) effects.push({ type: 'toSlots', slots: [slot], message: { type: 'drain' } })
  const decision =
    attempt.restoredFrom === noCheckpoint ? unchanged(next) : committed(next, subtask, attempt.restoredFrom)
  return { state: decision.state, effects: [...effects, ...decision.effects] }
}

function committed(state: JobMasterState, subtask: number, checkpointId: CheckpointId): JobDecision {
  const next = restoredCommitted(state, subtask, checkpointId)
  return withCheckpoints(next, (checkpoints) => subtaskCommitted(checkpoints, { subtask, checkpointId }))
}

interface Reported<Type extends AttemptEvent['type']> {
  readonly event: Extract<AttemptEvent, { readonly type: Type }>
  readonly now: Moment
}

function failed(
  state: JobMasterState,
  subtask: number,
  attempt: SubtaskAttempt,
  { event, now }: Reported<'failed'>,
): JobDecision {
  const gone = withSubtask(state, subtask, { type: 'none' })
  const region = regionOf(state, subtask)
  const restoring = attempt.status === 'deploying'
  if (restoring && event.error.code === 'MR_CHECKPOINT_DAMAGED') return fallBackOrFail(gone, region, event.error, now)
  return failRegions(gone, [region], event.error, now)
}

function acknowledged(
  state: JobMasterState,
  subtask: number,
  attempt: SubtaskAttempt,
  { event, now }: Reported<'checkpointAcknowledged'>,
): JobDecision {
  const { attemptId, checkpointId, manifest, finished, hasCommittables, metrics } = event
  // A closing subtask was given no splits; their last positions stay in the records.
  const splits = attempt.closing ? splitsToRead(state, subtask) : event.splits
  const record = { manifest, splits, finished, hasCommittables }
  return withCheckpoints(state, (checkpoints, facts) =>
    checkpointAcknowledged(facts, checkpoints, { attemptId, checkpointId, record, metrics }, now),
  )
}

/** Every attempt in the slots of a lost TaskManager is gone with it. */
export function attemptsLost(state: JobMasterState, lost: { readonly taskManager: string }): JobDecision {
  return inSequence(
    state,
    state.subtasks.map((subtask, index) => (current: JobMasterState) => {
      const there = slotAddressOf(current, index)?.taskManager === lost.taskManager
      return unchanged(there && subtask.type === 'attempt' ? withSubtask(current, index, { type: 'none' }) : current)
    }),
  )
}
