import type { SourceSplit } from '../../api/source.ts'
import type { ErrorData } from '../../common/errors.ts'
import { type AttemptId, type CheckpointId, type JobId, noCheckpoint, type VertexId } from '../../common/ids.ts'
import { type ExecutionGraph, executionGraph, requiredSlots } from '../../graph/execution-graph.ts'
import type { JobPlan } from '../../graph/job-graph.ts'
import type { TransactionLedger } from '../../state/transaction-ledger.ts'
import type { BlobStoreReference } from '../../task/slot-protocol.ts'
import { type CheckpointFacts, type CheckpointsState, newCheckpoints } from '../checkpoints/state.ts'
import { initialRestartState, type RestartState } from '../restart-strategies.ts'
import { type RestorePoint, subtasksToCommit } from '../restore.ts'
import { assignSlots } from '../slot-assignment.ts'
import type { AssignedSplit } from '../splits.ts'
import { hasTransactionalSinks, newTransactions, type TransactionsState } from '../transactions.ts'
import type { AnsweredRequest } from './requests.ts'

/** One job, as its JobMaster knows it. Plain data, changed by `decide` alone. */
export interface JobMasterState {
  readonly facts: JobFacts
  readonly phase: JobPhase
  /** `--drain` was asked for: sources stop as if their input had ended. */
  readonly draining: boolean
  /** Granted slots, by the job's own slot number; undefined: lost with its TaskManager, another one is asked for. */
  readonly slots: readonly (GrantedSlot | undefined)[]
  /** By index in ExecutionGraph.subtasks. */
  readonly subtasks: readonly SubtaskExecution[]
  /** By index in ExecutionGraph.regions. */
  readonly regions: readonly RegionExecution[]
  readonly sources: readonly SourceCoordination[]
  /** undefined: the job takes no checkpoints. */
  readonly checkpoints: CheckpointsState | undefined
  /** What attempts start from: the newest completed checkpoint. */
  readonly restorePoint: RestorePoint | undefined
  readonly restartState: RestartState
  /** Restarts of regions. */
  readonly restarts: number
  readonly lastFailure: ErrorData | undefined
  readonly attemptsMinted: number
  /** undefined: no sink has transactional ids of its own (R15). */
  readonly transactions: TransactionsState | undefined
  /** Attempts that regions will be deployed as, minted ahead. */
  readonly reservations: readonly Reservation[]
  /** After a failed write of the ledger the next one waits a moment. */
  readonly ledgerHeldBack: boolean
  readonly restoredCommits: RestoredCommits
  /** What a step has brought up for `advance` to deal with; empty between steps. */
  readonly incidents: readonly Incident[]
  /** Requests of clients that were answered, oldest first (R24). */
  readonly requests: readonly AnsweredRequest[]
}

/** What does not change while the job runs. */
export interface JobFacts {
  readonly jobId: JobId
  /** A nanoid of this JobMaster: attempts are numbered under it, so that no id is ever used twice. */
  readonly token: string
  readonly plan: JobPlan
  readonly graph: ExecutionGraph
  readonly slotsNeeded: number
  /** The job's slot of each subtask. */
  readonly slotOf: readonly number[]
  readonly blobStore: BlobStoreReference
  readonly checkpointing: CheckpointFacts | undefined
  /** Whether a sink publishes exactly once: such a job never falls back to an older checkpoint by itself (R9). */
  readonly exactlyOnce: boolean
}

/** Attempts whose transactional ids have to be durable before a region is deployed as them (R15). */
export interface Reservation {
  readonly region: number
  readonly attempts: readonly { readonly subtask: number; readonly attemptId: AttemptId }[]
  /** Of the ledger that holds their ids. */
  readonly revision: number
}

/** What the checkpoint of another run, that the job was started from, lists to be committed (R17). */
export type RestoredCommits =
  | { readonly type: 'settled' }
  | { readonly type: 'waiting'; readonly checkpointId: CheckpointId; readonly subtasks: readonly number[] }
  /** All is committed; the mark in that run's store is being written. */
  | { readonly type: 'marking'; readonly checkpointId: CheckpointId }

export interface SlotAddress {
  /** Address of the TaskManager's actor. */
  readonly taskManager: string
  readonly slotIndex: number
}

export interface GrantedSlot extends SlotAddress {
  /** Where the data network of its TaskManager listens (R28). */
  readonly dataAddress: string
}

export type JobPhase =
  | { readonly type: 'waitingForSlots' }
  /** The enumerators look for the splits of the sources. */
  | { readonly type: 'locatingSplits' }
  /** Regions are deployed, run, restart and finish, each by itself (R13). */
  | { readonly type: 'running' }
  /** Ctrl-C: one last checkpoint, then its commits, then cancel (R12). */
  | { readonly type: 'suspending'; readonly stage: 'checkpoint' | 'commits' }
  /** Every attempt is being cancelled. */
  | {
      readonly type: 'ending'
      readonly outcome: Exclude<JobOutcome, 'FINISHED'>
      readonly error: ErrorData | undefined
    }
  | { readonly type: 'ended'; readonly outcome: JobOutcome; readonly error: ErrorData | undefined }

export type JobOutcome = 'FINISHED' | 'CANCELED' | 'FAILED' | 'SUSPENDED'

export type SubtaskExecution =
  | { readonly type: 'none' }
  | SubtaskAttempt
  /** Its input has ended, a checkpoint says so, and it has committed (R12). */
  | { readonly type: 'finished' }

export interface SubtaskAttempt {
  readonly type: 'attempt'
  readonly attemptId: AttemptId
  /** `finishing`: a completed checkpoint says that it has ended; it commits and finishes by itself. */
  readonly status: 'deploying' | 'running' | 'ended' | 'finishing' | 'cancelling'
  readonly restoredFrom: CheckpointId
  /**
   * The checkpoint that it was restored from says that its region has ended (R12): it is deployed without inputs, only
   * to commit and to stand in the next checkpoint.
   */
  readonly closing: boolean
  /** Splits found since it was deployed; sent when it runs. */
  readonly lateSplits: readonly SourceSplit[]
}

export interface RegionExecution {
  readonly status: RegionStatus
  /** An older checkpoint to restore from, since the newest is damaged (R9). */
  readonly fallback: RestorePoint | undefined
}

export type RegionStatus =
  /** To be deployed as soon as nothing stands against it. */
  | { readonly type: 'pending' }
  | { readonly type: 'deploying' }
  | { readonly type: 'running' }
  /** Failed: deployed again when its attempts are gone and what it waits for (the delay, the older record) is there. */
  | { readonly type: 'restarting'; readonly number: number; readonly due: boolean; readonly error: ErrorData }
  | { readonly type: 'finished' }

export interface SourceCoordination {
  readonly vertexId: VertexId
  readonly parallelism: number
  readonly status: 'locating' | 'located'
  readonly splits: readonly AssignedSplit[]
  /** undefined: no splits appear later. */
  readonly discoveryIntervalMs: number | undefined
}

export type Incident =
  | { readonly type: 'checkpointsFailed'; readonly error: ErrorData }
  | { readonly type: 'storageLost'; readonly error: ErrorData }
  | { readonly type: 'checkpointAborted'; readonly reason: ErrorData }
  | { readonly type: 'checkpointCompleted' }

export interface NewJob {
  readonly jobId: JobId
  readonly token: string
  readonly plan: JobPlan
  readonly blobStore: BlobStoreReference
  /** Whether there is a store for checkpoints; without one none are taken, whatever the plan says. */
  readonly hasCheckpointStore: boolean
  readonly restore: RestorePoint | undefined
  /** Transactional ids that earlier runs and processes may have left open, in the run's durable ledger (R16). */
  readonly leftTransactions: TransactionLedger
}

export function newJobMaster(job: NewJob): JobMasterState {
  const graph = executionGraph(job.plan)
  const slotsNeeded = requiredSlots(job.plan)
  const { jobId, token, plan, blobStore, restore } = job
  const settings = job.hasCheckpointStore ? plan.configuration.checkpointing : undefined
  const own = restore?.ownRun === true ? restore : undefined
  const toCommit = own === undefined ? [] : subtasksToCommit(own, plan, graph)
  return {
    facts: {
      jobId,
      token,
      plan,
      graph,
      slotsNeeded,
      slotOf: assignSlots(plan, graph.subtasks),
      blobStore,
      checkpointing: settings === undefined ? undefined : { jobId, plan, graph, settings },
      exactlyOnce: plan.vertices.some((vertex) =>
        vertex.operators.some((operator) => operator.sink?.deliveryGuarantee === 'exactly-once'),
      ),
    },
    phase: { type: 'waitingForSlots' },
    draining: false,
    slots: [],
    subtasks: graph.subtasks.map(() => ({ type: 'none' })),
    regions: graph.regions.map(() => ({ status: { type: 'pending' }, fallback: undefined })),
    sources: plan.vertices
      .filter((vertex) => vertex.source !== undefined)
      .map((vertex) => ({
        vertexId: vertex.id,
        parallelism: vertex.parallelism,
        status: 'locating',
        splits: [],
        discoveryIntervalMs: undefined,
      })),
    checkpoints: settings === undefined ? undefined : newCheckpoints(own?.record, toCommit),
    restorePoint: restore,
    restartState: initialRestartState,
    restarts: 0,
    lastFailure: undefined,
    attemptsMinted: 0,
    transactions: hasTransactionalSinks(plan) ? newTransactions(job.leftTransactions) : undefined,
    reservations: [],
    ledgerHeldBack: false,
    restoredCommits: restoredCommitsOf(restore, plan, graph),
    incidents: [],
    requests: [],
  }
}

function restoredCommitsOf(restore: RestorePoint | undefined, plan: JobPlan, graph: ExecutionGraph): RestoredCommits {
  if (restore === undefined || restore.ownRun || restore.committed) return { type: 'settled' }
  const subtasks = subtasksToCommit(restore, plan, graph)
  return { type: 'waiting', checkpointId: restore.record.id, subtasks }
}

/** The checkpoint that a region is restored from. */
export function restorePointOf(state: JobMasterState, region: number): RestorePoint | undefined {
  return state.regions[region]?.fallback ?? state.restorePoint
}

export function restoredId(point: RestorePoint | undefined): CheckpointId {
  return point?.record.id ?? noCheckpoint
}
