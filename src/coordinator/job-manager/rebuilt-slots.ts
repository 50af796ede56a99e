import type { JobId } from '../../common/ids.ts'
import type { Decision } from '../decision.ts'
import type { SlotAddress } from '../job-master/state.ts'
import type { Inventory } from '../task-manager/inventory.ts'
import type { ListedTaskManager } from './membership.ts'
import { isSame } from './slots.ts'
import { isRunning, type JobManagerEffect, type JobManagerState, type KnownSlot } from './state.ts'

/**
 * Makes what is known of a TaskManager's slots what it says. Slots that are granted but not used yet stay granted; what
 * belongs to a job that runs no more is released, again if it was before: that message or its answer was lost.
 */
export function withInventory(
  state: JobManagerState,
  { taskManager, dataAddress }: ListedTaskManager,
  inventory: Inventory,
): Decision<JobManagerState, JobManagerEffect> {
  const others = state.slots.filter(({ address }) => address.taskManager !== taskManager)
  const own = inventory.slots.map(({ slotIndex, jobId }): KnownSlot => {
    const address = { taskManager, slotIndex }
    const known = state.slots.find((slot) => isSame(slot.address, address))
    const owner = jobId ?? ownerOfEmpty(state, known, address)
    return { address, dataAddress, jobId: owner, releasing: owner !== undefined && !isRunning(state, owner) }
  })
  const released = own.filter(({ releasing }) => releasing)
  const effects = [...Map.groupBy(released, ({ jobId }) => jobId)].flatMap(([jobId, slots]): JobManagerEffect[] =>
    jobId === undefined ? [] : [{ type: 'releaseSlots', jobId, slots: slots.map(({ address }) => address) }],
  )
  return { state: { ...state, slots: [...others, ...own] }, effects }
}

/** Of a slot that the TaskManager says is free: granted, or held by a stored job; one that was to be released is free indeed. */
function ownerOfEmpty(state: JobManagerState, known: KnownSlot | undefined, address: SlotAddress): JobId | undefined {
  if (known !== undefined) return known.releasing ? undefined : known.jobId
  return state.membership?.held.find(({ slot }) => isSame(slot, address))?.jobId
}
