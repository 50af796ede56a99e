import type { ErrorData } from '../../common/errors.ts'
import type { AttemptId, CheckpointId, JobId } from '../../common/ids.ts'
import type { SlotState } from './state.ts'

/** All that a TaskManager has, said after everything it was told before (R22, R23 b). Plain data. */
export interface Inventory {
  /** Address of the TaskManager's actor. */
  readonly taskManager: string
  readonly numberOfSlots: number
  /** By slot index. */
  readonly slots: readonly SlotInventory[]
  /** The highest token that it obeys (I4); undefined: it has obeyed none yet. */
  readonly highestToken: string | undefined
  /** TaskManagers whose data connections broke; the leader finds out whether they live. */
  readonly lostPeers?: readonly string[]
}

export interface SlotInventory {
  readonly slotIndex: number
  /** undefined: the slot is free. */
  readonly jobId: JobId | undefined
  readonly state: SlotState['type']
  /** Those that live, and those that have ended, until the leader has acknowledged their end (R23 c). */
  readonly attempts: readonly AttemptInventory[]
}

export interface AttemptInventory {
  readonly attemptId: AttemptId
  /** `deploying` also while its deployment waits for slots. */
  readonly state: 'deploying' | 'running' | 'ended' | 'finished' | 'failed' | 'canceled'
  /** Of a failed one. */
  readonly error?: ErrorData
  /** The highest checkpoint that it was triggered for; 0: none. */
  readonly begun: CheckpointId
  /** The highest that it has acknowledged; 0: none. */
  readonly acknowledged: CheckpointId
  /** The highest whose completion it was told; 0: none. */
  readonly completed: CheckpointId
}
