import type { ErrorData } from '../../common/errors.ts'
import { type Decision, inSequence, type Moment, unchanged } from '../decision.ts'
import { attemptsLost } from './attempts.ts'
import { failJob } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import { failRegions } from './regions.ts'
import type { GrantedSlot, JobMasterState } from './state.ts'
import { attemptOf, regionOf, slotAddressOf } from './subtasks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** A TaskManager is gone with all its attempts: their regions restart, in other slots where it takes some (R13). */
export function taskManagerLost(
  state: JobMasterState,
  lost: { readonly taskManager: string; readonly error: ErrorData },
  now: Moment,
): JobDecision {
  const isThere = (slot: GrantedSlot | undefined): boolean => slot?.taskManager === lost.taskManager
  if (!state.slots.some(isThere)) return unchanged(state)
  const regions = state.subtasks.flatMap((_, index) =>
    isThere(slotAddressOf(state, index)) && attemptOf(state, index) !== undefined ? [regionOf(state, index)] : [],
  )
  return inSequence(attemptsLost(state, lost).state, [
    (current) => unchanged({ ...current, slots: current.slots.map((slot) => (isThere(slot) ? undefined : slot)) }),
    (current) => failRegions(current, [...new Set(regions)], lost.error, now),
    (current) =>
      requestAgain(
        current,
        missingSlots(current).filter((number) => isThere(state.slots[number])),
      ),
  ])
}

/** For a new leader: what was asked of the one before is forgotten. */
export function requestLostSlots(state: JobMasterState): JobDecision {
  return requestAgain(state, missingSlots(state))
}

function requestAgain(state: JobMasterState, { length: count }: readonly number[]): JobDecision {
  const { type } = state.phase
  if (count === 0 || type === 'ending' || type === 'ended') return unchanged(state)
  return { state, effects: [{ type: 'requestSlots', count }] }
}

/** Numbers of the slots that were lost and that something is still to run in: a region restarts as a whole. */
function missingSlots(state: JobMasterState): readonly number[] {
  return state.slots.flatMap((slot, number) => (slot === undefined && isNeeded(state, number) ? [number] : []))
}

function isNeeded(state: JobMasterState, slotNumber: number): boolean {
  return state.facts.graph.subtasks.some(
    ({ index, region }) =>
      state.facts.slotOf[index] === slotNumber && state.regions[region]?.status.type !== 'finished',
  )
}

/** Granted slots take the places of lost ones. */
export function replaceLostSlots(state: JobMasterState, granted: readonly GrantedSlot[]): JobDecision {
  const missing = missingSlots(state)
  const slots = state.slots.map((slot, number) => slot ?? granted[missing.indexOf(number)])
  return { state: { ...state, slots }, effects: [{ type: 'prepareSlots', slots: granted }] }
}

/** There are no other slots: the job can not go on where one of its TaskManagers was lost. */
export function lostSlotsRefused(state: JobMasterState, message: string, now: Moment): JobDecision {
  if (missingSlots(state).length === 0) return unchanged(state)
  const reason = state.lastFailure === undefined ? '' : `; before that: ${state.lastFailure.message}`
  return failJob(state, { code: 'MR_NOT_ENOUGH_SLOTS', message: `${message}${reason}` }, now)
}
