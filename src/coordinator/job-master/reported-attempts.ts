import { type AttemptId, type CheckpointId, checkpointId, type JobId } from '../../common/ids.ts'
import type { AttemptInventory, Inventory } from '../task-manager/inventory.ts'
import type { JobMasterState, SlotAddress } from './state.ts'
import { slotAddressOf } from './subtasks.ts'

export interface ReportedAttempt extends AttemptInventory {
  readonly slot: SlotAddress
}

/** What the TaskManagers say of one job's attempts. */
export class ReportedAttempts {
  readonly all: readonly ReportedAttempt[]
  /** No checkpoint after it was begun by anyone who still lives; 0: none was. */
  readonly highestBegun: CheckpointId
  readonly #jobId: JobId
  readonly #inventories: ReadonlyMap<string, Inventory>
  readonly #byId: ReadonlyMap<AttemptId, ReportedAttempt>

  constructor(jobId: JobId, inventories: readonly Inventory[]) {
    this.#jobId = jobId
    this.#inventories = new Map(inventories.map((inventory) => [inventory.taskManager, inventory]))
    this.all = inventories.flatMap(({ taskManager, slots }) =>
      slots.flatMap(({ slotIndex, jobId: owner, attempts }) =>
        owner === jobId ? attempts.map((attempt) => ({ ...attempt, slot: { taskManager, slotIndex } })) : [],
      ),
    )
    this.#byId = new Map(this.all.map((attempt) => [attempt.attemptId, attempt]))
    this.highestBegun = checkpointId(
      Math.max(0, ...this.all.map(({ begun, acknowledged }) => Math.max(begun, acknowledged))),
    )
  }

  get(attemptId: AttemptId): ReportedAttempt | undefined {
    return this.#byId.get(attemptId)
  }

  /** Whether the TaskManager is there, and the slot is this job's or free. */
  hasSlot({ taskManager, slotIndex }: SlotAddress): boolean {
    const slot = this.#inventories.get(taskManager)?.slots.find((candidate) => candidate.slotIndex === slotIndex)
    return slot !== undefined && (slot.jobId === undefined || slot.jobId === this.#jobId)
  }

  /** Attempts that are not there any more are gone; those that are count as alive, whatever they were told to do. */
  reported(state: JobMasterState): JobMasterState {
    const subtasks = state.subtasks.map((subtask, index) => {
      if (subtask.type !== 'attempt') return subtask
      const reported = slotAddressOf(state, index) === undefined ? undefined : this.get(subtask.attemptId)
      if (!isAlive(reported)) return { type: 'none' } as const
      const status = reported.state === 'ended' ? 'ended' : reported.state === 'running' ? 'running' : 'deploying'
      return { ...subtask, status } as const
    })
    return { ...state, subtasks }
  }
}

export function isAlive(reported: ReportedAttempt | undefined): reported is ReportedAttempt {
  return reported?.state === 'deploying' || reported?.state === 'running' || reported?.state === 'ended'
}
