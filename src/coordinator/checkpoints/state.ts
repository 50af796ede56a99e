import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId, JobId } from '../../common/ids.ts'
import type { ExecutionGraph } from '../../graph/execution-graph.ts'
import type { CheckpointingConfiguration } from '../../graph/job-configuration.ts'
import type { JobPlan } from '../../graph/job-graph.ts'
import type { CheckpointBarrier, CheckpointRecord, SubtaskRecord } from '../../state/checkpoint-record.ts'
import type { SubtaskCheckpointMetrics } from '../../task/slot-protocol.ts'

/** What never changes while a job runs. */
export interface CheckpointFacts {
  readonly jobId: JobId
  readonly plan: JobPlan
  readonly graph: ExecutionGraph
  readonly settings: CheckpointingConfiguration
}

/** The checkpoint coordinator of one job. Plain data. */
export interface CheckpointsState {
  readonly phase: CheckpointPhase
  /** The newest completed checkpoint in this run's store: the base of the next one (R1), and what the parts of finished subtasks are carried from (R4). */
  readonly latest: CheckpointRecord | undefined
  /** False after a fallback (R9): the next one writes everything. */
  readonly incremental: boolean
  /** The interval has passed. */
  readonly due: boolean
  /** Number of the interval timer that counts; older ones are ignored. */
  readonly timer: number
  /** After an aborted checkpoint none begins for a moment. */
  readonly heldBack: boolean
  readonly commits: CommitProgress
  readonly failuresInRow: number
  readonly completed: number
  readonly failed: number
  readonly last: CheckpointSummary | undefined
  readonly lastFailure: ErrorData | undefined
}

/** One checkpoint at a time (R2). */
export type CheckpointPhase =
  | { readonly type: 'idle' }
  /** The store mints the id; nothing is triggered before that is durable (R2, R3). `abandoned`: it will not be triggered at all. */
  | { readonly type: 'beginning'; readonly abandoned: boolean }
  | { readonly type: 'open'; readonly checkpoint: OpenCheckpoint }
  /** Every part is there; whether the record is durable is not known yet (R3). */
  | {
      readonly type: 'completing'
      readonly checkpoint: OpenCheckpoint
      readonly record: CheckpointRecord
      readonly sinceMs: number
      readonly tries: number
    }

export interface OpenCheckpoint {
  /** `barrier.base` stays what it was at the trigger (R1). */
  readonly barrier: CheckpointBarrier
  readonly triggeredAt: number
  readonly startedMs: number
  /** By index in ExecutionGraph.subtasks. */
  readonly parts: readonly CheckpointPart[]
}

export type CheckpointPart =
  | { readonly type: 'expected'; readonly attemptId: AttemptId }
  | {
      readonly type: 'acknowledged'
      readonly attemptId: AttemptId
      readonly record: SubtaskRecord
      readonly metrics: SubtaskCheckpointMetrics
    }
  /** Of a finished subtask: from the last record (R4, R12). */
  | { readonly type: 'carried'; readonly record: SubtaskRecord }

/** Which sink subtasks have yet to report that they have committed the newest completed checkpoint (R17). */
export type CommitProgress =
  | { readonly type: 'settled' }
  | { readonly type: 'waiting'; readonly checkpointId: CheckpointId; readonly subtasks: readonly number[] }
  | { readonly type: 'marking'; readonly checkpointId: CheckpointId }

export interface CheckpointSummary {
  readonly id: CheckpointId
  readonly triggeredAt: number
  readonly durationMs: number
  readonly writtenBytes: number
  /** The longest of all subtasks. */
  readonly alignmentMs: number
  readonly pauseMs: number
}

/** What the job's subtasks do at the moment, as far as checkpoints are concerned; by index in ExecutionGraph.subtasks. */
export type CheckpointParticipant =
  | { readonly type: 'live'; readonly attemptId: AttemptId }
  | { readonly type: 'finished' }

export type CheckpointTimer =
  | { readonly type: 'checkpointDue'; readonly number: number }
  | { readonly type: 'checkpointHeldBack' }
  | { readonly type: 'checkpointTimeout'; readonly checkpointId: CheckpointId }
  | { readonly type: 'completionRetry'; readonly checkpointId: CheckpointId }
  | { readonly type: 'markRetry'; readonly checkpointId: CheckpointId }

export type CheckpointEffect =
  | { readonly type: 'beginCheckpoint' }
  | { readonly type: 'triggerCheckpoint'; readonly barrier: CheckpointBarrier }
  /** `repeated`: an earlier try ended without an answer; a record of this id that is there already counts as written by us (R3). */
  | { readonly type: 'completeCheckpoint'; readonly record: CheckpointRecord; readonly repeated: boolean }
  /** Durable: sinks commit, sources' tools are told (R3). */
  | { readonly type: 'announceCompleted'; readonly record: CheckpointRecord }
  | { readonly type: 'announceAborted'; readonly checkpointId: CheckpointId | undefined; readonly reason: ErrorData }
  | { readonly type: 'markCommitted'; readonly checkpointId: CheckpointId }
  | { readonly type: 'retainCheckpoints'; readonly retained: number }
  /** More failures in a row than are tolerated. */
  | { readonly type: 'checkpointsFailed'; readonly error: ErrorData }
  /** The store gave no clear answer for too long: the job can not go on. */
  | { readonly type: 'storageLost'; readonly error: ErrorData }
  | { readonly type: 'setTimer'; readonly timer: CheckpointTimer; readonly delayMs: number }
  | { readonly type: 'cancelTimer'; readonly timer: CheckpointTimer }

/** `restored`: the record in this run's own store that the job goes on from. */
export function newCheckpoints(restored: CheckpointRecord | undefined, toCommit: readonly number[]): CheckpointsState {
  return {
    phase: { type: 'idle' },
    latest: restored,
    incremental: true,
    due: false,
    timer: 0,
    heldBack: false,
    commits:
      restored === undefined || toCommit.length === 0
        ? { type: 'settled' }
        : { type: 'waiting', checkpointId: restored.id, subtasks: toCommit },
    failuresInRow: 0,
    completed: 0,
    failed: 0,
    last: undefined,
    lastFailure: undefined,
  }
}
