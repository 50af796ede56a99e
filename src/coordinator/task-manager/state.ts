import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId, DeploymentId, JobId } from '../../common/ids.ts'
import type { SlotExit } from '../../task/slot-host.ts'
import type { FromSlot, SlotStart, SubtaskDeployment, ToSlot } from '../../task/slot-protocol.ts'
import type { AttemptInventory } from './inventory.ts'

/** The job of a slot. */
export interface SlotJob {
  /** What the slot is started with, but for its own number and memory, which the TaskManager knows. */
  readonly start: Omit<SlotStart, 'slotIndex' | 'memory'>
  /** `task.cancellation.timeout` (R32). */
  readonly cancellationTimeoutMs: number
}

/** A TaskManager: its slots, and the deployments that wait for them. Plain data, changed by `decide` alone. */
export interface TaskManagerState {
  /** By slot index. */
  readonly slots: readonly SlotState[]
  /** In order of arrival: each is sent when all its slots are ready. */
  readonly waiting: readonly WaitingDeployment[]
  /** How attempts have ended that the leader has not acknowledged yet, oldest first (R23 c). */
  readonly ends: readonly KeptEnd[]
  /** Leaders change and ask what has become of attempts; false: there is one only, in this process. */
  readonly keepsEnds: boolean
}

export interface KeptEnd {
  readonly slotIndex: number
  readonly jobId: JobId
  readonly attempt: AttemptInventory
}

/** A slot is free only after its thread's exit (R32). */
export type SlotState =
  | { readonly type: 'free' }
  /** Given to a job; no thread runs. */
  | { readonly type: 'reserved'; readonly job: SlotJob }
  /** The thread loads the bundle and compares the graph. */
  | { readonly type: 'starting'; readonly job: SlotJob }
  | RunningSlot
  /** Told to end; what it still reports is old. */
  | {
      readonly type: 'stopping'
      readonly job: SlotJob
      readonly attempts: readonly SlotAttempt[]
      readonly released: boolean
    }

export interface RunningSlot {
  readonly type: 'running'
  readonly job: SlotJob
  readonly attempts: readonly SlotAttempt[]
  /** An attempt failed or was cancelled here: functions and modules may hold anything, so the thread ends when no other lives in it. */
  readonly used: boolean
}

export interface SlotAttempt {
  readonly attemptId: AttemptId
  readonly deploymentId: DeploymentId
  readonly cancelling: boolean
  /** It is cancelled since it can not go on: that is how its end is reported. */
  readonly failure: ErrorData | undefined
  readonly state: 'deploying' | 'running' | 'ended'
  /** Highest checkpoints, as of an inventory. */
  readonly begun: CheckpointId
  readonly acknowledged: CheckpointId
  readonly completed: CheckpointId
}

export interface WaitingDeployment {
  readonly jobId: JobId
  readonly deploymentId: DeploymentId
  readonly slots: readonly SlotSubtasks[]
  readonly remoteSlots: readonly RemoteSlot[]
}

export interface SlotSubtasks {
  readonly slotIndex: number
  /** The job's own number of the slot, by which channels are addressed. */
  readonly jobSlot: number
  readonly subtasks: readonly SubtaskDeployment[]
}

/** A slot of another TaskManager that the same deployment goes to. */
export interface RemoteSlot {
  readonly jobSlot: number
  readonly taskManager: string
  /** Where the data network of that TaskManager listens (R28). */
  readonly dataAddress: string
}

/** A pair of job slots that a deployment has channels between, of which the first is here. */
export interface RemoteConnection {
  readonly jobSlot: number
  readonly remote: RemoteSlot
}

export type TaskManagerMessage =
  | { readonly type: 'prepareSlots'; readonly job: SlotJob; readonly slotIndexes: readonly number[] }
  /** The part of a deployment that is for this TaskManager. Its links to other parts meet by `deploymentId`, which no other has. */
  | {
      readonly type: 'deploy'
      readonly job: SlotJob
      readonly deploymentId: DeploymentId
      readonly slots: readonly SlotSubtasks[]
      readonly remoteSlots: readonly RemoteSlot[]
    }
  | { readonly type: 'cancelAttempts'; readonly jobId: JobId; readonly attemptIds: readonly AttemptId[] }
  | { readonly type: 'toSlots'; readonly slotIndexes: readonly number[]; readonly message: ToSlot }
  /** The leader has recorded how these attempts have ended: they leave the inventory (R23 c). */
  | { readonly type: 'endsAcknowledged'; readonly jobId: JobId; readonly attemptIds: readonly AttemptId[] }
  /** The job has ended: its slots are emptied and given back. */
  | { readonly type: 'releaseSlots'; readonly jobId: JobId; readonly slotIndexes: readonly number[] }
  | { readonly type: 'fromSlot'; readonly slotIndex: number; readonly message: FromSlot }
  /** Links to another TaskManager are gone, with all that was on its way: the attempts of these deployments can not go on. */
  | { readonly type: 'linksLost'; readonly deployments: readonly DeploymentId[]; readonly error: ErrorData }
  | { readonly type: 'slotExited'; readonly slotIndex: number; readonly cause: SlotExit }
  | { readonly type: 'timer'; readonly timer: TaskManagerTimer }

export type TaskManagerTimer =
  /** The attempts being cancelled have not ended by themselves. */
  | { readonly type: 'terminateSlot'; readonly slotIndex: number }
  /** The thread was told to end and has not: native code blocks it (R32). */
  | { readonly type: 'killProcess'; readonly slotIndex: number }

export type TaskManagerEffect =
  | { readonly type: 'startSlot'; readonly slotIndex: number; readonly job: SlotJob }
  /** Pairs of job slots that get a connected pair of ports, and what each slot is sent. */
  | {
      readonly type: 'sendDeployment'
      readonly deploymentId: DeploymentId
      readonly connections: readonly (readonly [number, number])[]
      readonly remoteConnections: readonly RemoteConnection[]
      readonly slots: readonly SlotSubtasks[]
    }
  | { readonly type: 'toSlot'; readonly slotIndex: number; readonly message: ToSlot }
  | { readonly type: 'terminateSlot'; readonly slotIndex: number }
  | { readonly type: 'killProcess'; readonly error: ErrorData }
  /** To the JobMaster of the job. */
  | { readonly type: 'report'; readonly jobId: JobId; readonly slotIndex: number; readonly message: FromSlot }
  /** To the JobManager. */
  | { readonly type: 'slotFreed'; readonly slotIndex: number; readonly jobId: JobId }
  | { readonly type: 'setTimer'; readonly timer: TaskManagerTimer; readonly delayMs: number }
  | { readonly type: 'cancelTimer'; readonly timer: TaskManagerTimer }

export function newTaskManager(numberOfTaskSlots: number, keepsEnds = false): TaskManagerState {
  const slots = Array.from({ length: numberOfTaskSlots }, () => ({ type: 'free' }) as const)
  return { slots, waiting: [], ends: [], keepsEnds }
}

export function jobOf(slot: SlotState | undefined): SlotJob | undefined {
  return slot === undefined || slot.type === 'free' ? undefined : slot.job
}
