import type { SourceDescription, SourceSplit } from '../../api/source.ts'
import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId, DeploymentId, VertexId } from '../../common/ids.ts'
import type { CheckpointRecord } from '../../state/checkpoint-record.ts'
import type { TransactionLedger } from '../../state/transaction-ledger.ts'
import type { FromSlot, SubtaskDeployment, ToSlot } from '../../task/slot-protocol.ts'
import type { CheckpointTimer } from '../checkpoints/state.ts'
import type { RestorePoint } from '../restore.ts'
import type { RequestAnswer } from './requests.ts'
import type { GrantedSlot, JobOutcome, SlotAddress } from './state.ts'

/** What a subtask's attempt reports, as its slot sends it. */
export type AttemptEvent = Extract<FromSlot, { readonly attemptId: AttemptId }>

export type JobMasterMessage =
  | { readonly type: 'start' }
  | { readonly type: 'slotsGranted'; readonly slots: readonly GrantedSlot[] }
  | { readonly type: 'slotsRefused'; readonly required: number; readonly available: number }
  /** Requests of clients; with a request id each is taken up once, and answered (R24). */
  | { readonly type: 'cancelJob'; readonly requestId?: string }
  | { readonly type: 'suspendJob'; readonly requestId?: string }
  | { readonly type: 'drainJob'; readonly requestId?: string }
  /** A checkpoint is wanted before its interval has passed. */
  | { readonly type: 'checkpointJob' }
  | { readonly type: 'attempt'; readonly event: AttemptEvent }
  | { readonly type: 'taskManagerLost'; readonly taskManager: string; readonly error: ErrorData }
  | {
      readonly type: 'splitsLocated'
      readonly vertexId: VertexId
      readonly splits: readonly SourceSplit[]
      readonly discoveryIntervalMs: number | undefined
    }
  | { readonly type: 'splitsNotLocated'; readonly vertexId: VertexId; readonly error: ErrorData }
  | { readonly type: 'splitsDiscovered'; readonly vertexId: VertexId; readonly splits: readonly SourceSplit[] }
  | { readonly type: 'checkpointBegun'; readonly id: CheckpointId }
  | { readonly type: 'checkpointBeginFailed'; readonly error: ErrorData }
  | { readonly type: 'checkpointCompleted'; readonly id: CheckpointId }
  /** Its parts do not fit together (R1): nothing was written. */
  | { readonly type: 'completionRefused'; readonly id: CheckpointId; readonly error: ErrorData }
  | { readonly type: 'completionUndetermined'; readonly id: CheckpointId; readonly error: ErrorData }
  | { readonly type: 'markedCommitted'; readonly id: CheckpointId }
  | { readonly type: 'markFailed'; readonly id: CheckpointId; readonly error: ErrorData }
  /** The ledger of transactional ids is durable (R15). */
  | { readonly type: 'transactionsRecorded'; readonly revision: number }
  | { readonly type: 'transactionsNotRecorded'; readonly revision: number; readonly error: ErrorData }
  /** The checkpoint of another run is marked in its store; `error`: it is not (R17). */
  | { readonly type: 'restoredMarked'; readonly error: ErrorData | undefined }
  /** `point` undefined: there is no older checkpoint. */
  | { readonly type: 'previousCheckpoint'; readonly region: number; readonly point: RestorePoint | undefined }
  | { readonly type: 'timer'; readonly timer: JobTimer }

export type JobTimer =
  | CheckpointTimer
  | { readonly type: 'restartRegion'; readonly region: number; readonly number: number }
  | { readonly type: 'locateAgain'; readonly vertexId: VertexId }
  | { readonly type: 'discoverSplits'; readonly vertexId: VertexId }
  | { readonly type: 'ledgerRetry' }
  /** Ctrl-C has waited for a deployment long enough. */
  | { readonly type: 'suspendTimeout' }

/** `taskManager` undefined: it is lost. */
export interface SlotDeployment {
  readonly slot: GrantedSlot
  /** Index in JobMasterState.slots: what channels are addressed by, whoever holds the slot. */
  readonly jobSlot: number
  readonly subtasks: readonly SubtaskDeployment[]
}

export type JobMasterEffect =
  | { readonly type: 'requestSlots'; readonly count: number }
  | { readonly type: 'answerRequest'; readonly requestId: string; readonly answer: RequestAnswer }
  /** The slots load the bundle while the splits are looked for. */
  | { readonly type: 'prepareSlots'; readonly slots: readonly SlotAddress[] }
  | { readonly type: 'deploy'; readonly deploymentId: DeploymentId; readonly slots: readonly SlotDeployment[] }
  | { readonly type: 'cancelAttempts'; readonly attempts: readonly { slot: SlotAddress; attemptId: AttemptId }[] }
  | { readonly type: 'toSlots'; readonly slots: readonly SlotAddress[]; readonly message: ToSlot }
  /** `known` undefined: a first start; else the positions of the checkpoint (R18). */
  | {
      readonly type: 'locateSplits'
      readonly vertexId: VertexId
      readonly description: SourceDescription
      readonly operatorName: string
      readonly parallelism: number
      readonly known: readonly SourceSplit[] | undefined
    }
  | { readonly type: 'discoverSplits'; readonly vertexId: VertexId; readonly knownIds: readonly string[] }
  | { readonly type: 'tellEnumerator'; readonly vertexId: VertexId; readonly splits: readonly SourceSplit[] }
  | { readonly type: 'beginCheckpoint' }
  | { readonly type: 'completeCheckpoint'; readonly record: CheckpointRecord; readonly repeated: boolean }
  | { readonly type: 'markCommitted'; readonly checkpointId: CheckpointId }
  | { readonly type: 'recordTransactions'; readonly revision: number; readonly ledger: TransactionLedger }
  | { readonly type: 'markRestoredCommitted'; readonly checkpointId: CheckpointId }
  | { readonly type: 'retainCheckpoints'; readonly retained: number }
  /** The newest completed checkpoint before this one, in the same store (R9). */
  | { readonly type: 'readPreviousCheckpoint'; readonly region: number; readonly point: RestorePoint }
  | { readonly type: 'setTimer'; readonly timer: JobTimer; readonly delayMs: number }
  | { readonly type: 'cancelTimer'; readonly timer: JobTimer }
  | { readonly type: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly text: string }
  | { readonly type: 'jobEnded'; readonly outcome: JobOutcome; readonly error: ErrorData | undefined }
