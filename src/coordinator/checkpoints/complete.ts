import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId } from '../../common/ids.ts'
import type { CheckpointRecord, SubtaskRecord } from '../../state/checkpoint-record.ts'
import type { SubtaskCheckpointMetrics } from '../../task/slot-protocol.ts'
import type { Decision, Moment } from '../decision.ts'
import { replaced, unchanged } from '../decision.ts'
import { statefulUids } from '../restore.ts'
import { openCheckpoint } from './abort.ts'
import { expectCommits } from './commits.ts'
import { scheduleNext } from './schedule.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointSummary, CheckpointsState, OpenCheckpoint } from './state.ts'

type CheckpointDecision = Decision<CheckpointsState, CheckpointEffect>

const retryMs = 500

export interface Acknowledgement {
  readonly attemptId: AttemptId
  readonly checkpointId: CheckpointId
  readonly record: SubtaskRecord
  readonly metrics: SubtaskCheckpointMetrics
}

/** I5: only the acks of the attempts that the checkpoint was begun with count, each once. */
export function checkpointAcknowledged(
  facts: CheckpointFacts,
  state: CheckpointsState,
  ack: Acknowledgement,
  now: Moment,
): CheckpointDecision {
  const checkpoint = openCheckpoint(state, ack.checkpointId)
  const index = checkpoint?.parts.findIndex((part) => part.type === 'expected' && part.attemptId === ack.attemptId)
  if (checkpoint === undefined || index === undefined || index < 0) return unchanged(state)
  const { attemptId, record, metrics } = ack
  const parts = replaced(checkpoint.parts, index, { type: 'acknowledged', attemptId, record, metrics })
  return completeIfAllThere(facts, { ...state, phase: { type: 'open', checkpoint: { ...checkpoint, parts } } }, now)
}

/** Complete iff every expected part is there (I5); from here on the completion is undetermined until the store answers (R3). */
export function completeIfAllThere(facts: CheckpointFacts, state: CheckpointsState, now: Moment): CheckpointDecision {
  if (state.phase.type !== 'open') return unchanged(state)
  const { checkpoint } = state.phase
  if (checkpoint.parts.some((part) => part.type === 'expected')) return unchanged(state)
  const record = recordOf(facts, checkpoint, now)
  return {
    state: { ...state, phase: { type: 'completing', checkpoint, record, sinceMs: now.monotonicMs, tries: 1 } },
    effects: [
      { type: 'cancelTimer', timer: { type: 'checkpointTimeout', checkpointId: record.id } },
      { type: 'completeCheckpoint', record, repeated: false },
    ],
  }
}

function recordOf(facts: CheckpointFacts, checkpoint: OpenCheckpoint, now: Moment): CheckpointRecord {
  const parts = facts.graph.subtasks.map((place, index) => ({ place, part: checkpoint.parts[index] }))
  return {
    formatVersion: 1,
    jobId: facts.jobId,
    jobName: facts.plan.jobName,
    id: checkpoint.barrier.id,
    kind: checkpoint.barrier.kind,
    triggeredAt: checkpoint.triggeredAt,
    completedAt: now.epochMs,
    graphHash: facts.plan.hash,
    vertices: facts.plan.vertices.map((vertex) => ({
      vertexId: vertex.id,
      operatorUids: statefulUids(vertex),
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      subtasks: parts.flatMap(({ place, part }) =>
        place.vertexId === vertex.id && part !== undefined && part.type !== 'expected' ? [part.record] : [],
      ),
    })),
  }
}

/**
 * The record is durable: everything that waits for it may act (R3).
 * @param completed.finished subtasks that have finished since their acknowledgement, and so have committed
 */
export function checkpointCompleted(
  facts: CheckpointFacts,
  state: CheckpointsState,
  completed: { readonly id: CheckpointId; readonly finished: ReadonlySet<number> },
  now: Moment,
): CheckpointDecision {
  if (state.phase.type !== 'completing' || state.phase.record.id !== completed.id) return unchanged(state)
  const { record, checkpoint } = state.phase
  const next: CheckpointsState = {
    ...state,
    phase: { type: 'idle' },
    latest: record,
    incremental: true,
    heldBack: false,
    failuresInRow: 0,
    completed: state.completed + 1,
    last: summaryOf(checkpoint, now),
  }
  const scheduled = scheduleNext(facts, next, checkpoint.startedMs, now)
  const committing = expectCommits(facts, scheduled.state, record, completed.finished)
  return {
    state: committing.state,
    effects: [
      { type: 'announceCompleted', record },
      ...scheduled.effects,
      ...committing.effects,
      { type: 'retainCheckpoints', retained: facts.settings.retained },
    ],
  }
}

function summaryOf(checkpoint: OpenCheckpoint, now: Moment): CheckpointSummary {
  const metrics = checkpoint.parts.flatMap((part) => (part.type === 'acknowledged' ? [part.metrics] : []))
  return {
    id: checkpoint.barrier.id,
    triggeredAt: checkpoint.triggeredAt,
    durationMs: now.monotonicMs - checkpoint.startedMs,
    writtenBytes: metrics.reduce((sum, part) => sum + part.writtenBytes, 0),
    alignmentMs: Math.max(0, ...metrics.map((part) => part.alignmentMs)),
    pauseMs: Math.max(0, ...metrics.map((part) => part.pauseMs)),
  }
}

/** The store gave an error: the record may be there or not. It is written again until that is known, or for too long (R3). */
export function completionUndetermined(
  facts: CheckpointFacts,
  state: CheckpointsState,
  failure: { readonly id: CheckpointId; readonly error: ErrorData },
  now: Moment,
): CheckpointDecision {
  if (state.phase.type !== 'completing' || state.phase.record.id !== failure.id) return unchanged(state)
  if (now.monotonicMs - state.phase.sinceMs >= facts.settings.timeoutMs) {
    const message = `the record of checkpoint ${failure.id} could not be written for ${facts.settings.timeoutMs} ms: ${failure.error.message}`
    return { state, effects: [{ type: 'storageLost', error: { code: 'MR_STORAGE', message } }] }
  }
  const timer = { type: 'completionRetry', checkpointId: failure.id } as const
  return {
    state: { ...state, lastFailure: failure.error },
    effects: [{ type: 'setTimer', timer, delayMs: retryMs }],
  }
}

export function retryCompletion(state: CheckpointsState, id: CheckpointId): CheckpointDecision {
  if (state.phase.type !== 'completing' || state.phase.record.id !== id) return unchanged(state)
  return {
    state: { ...state, phase: { ...state.phase, tries: state.phase.tries + 1 } },
    effects: [{ type: 'completeCheckpoint', record: state.phase.record, repeated: true }],
  }
}
