import type { ErrorData } from '../../common/errors.ts'
import { type Decision, inSequence, type Moment, unchanged } from '../decision.ts'
import { withRegion } from './deployment.ts'
import { cancelSubtasks } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import { failRegions } from './regions.ts'
import { isAlive, type ReportedAttempts } from './reported-attempts.ts'
import type { JobMasterState } from './state.ts'
import { attemptOf, slotAddressOf, subtaskOfAttempt, subtasksOfRegion } from './subtasks.ts'
import { transactionsFinished } from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/**
 * R23 c: a region is kept where the record says that it runs and every attempt is reported running, or finished. Where
 * one is gone the region has failed; where the deployment was under way, it is cancelled and deployed again.
 */
export function adoptRegions(
  state: JobMasterState,
  { recorded, attempts }: { readonly recorded: JobMasterState; readonly attempts: ReportedAttempts },
  now: Moment,
): JobDecision {
  const before = { ...recorded, slots: state.slots }
  const regions = state.regions.map(({ status }, region) => ({ region, type: status.type }))
  const kept = regions.filter(({ region, type }) => type === 'running' && isWhole(before, region, attempts))
  const failures = regions.flatMap(({ region, type }) => {
    if (type !== 'running' && type !== 'deploying') return []
    const error = failureOf(before, region, attempts)
    return error === undefined ? [] : [{ region, error }]
  })
  const failed = new Set(failures.map(({ region }) => region))
  const interrupted = regions.filter(({ region, type }) => type === 'deploying' && !failed.has(region))
  const [first] = failures
  return inSequence(state, [
    (current) => unchanged(kept.reduce((next, { region }) => withFinished(next, region, before), current)),
    (current) => (first === undefined ? unchanged(current) : failRegions(current, [...failed], first.error, now)),
    ...interrupted.map(
      ({ region }) =>
        (current: JobMasterState) =>
          deployAgain(current, region),
    ),
    (current) => restartAtOnce(current, before),
  ])
}

function isWhole(state: JobMasterState, region: number, attempts: ReportedAttempts): boolean {
  return subtasksOfRegion(state, region).every((index) => {
    const subtask = state.subtasks[index]
    if (subtask?.type !== 'attempt') return subtask?.type === 'finished'
    if (slotAddressOf(state, index) === undefined) return false
    const reported = attempts.get(subtask.attemptId)?.state
    return reported === 'running' || reported === 'ended' || reported === 'finished'
  })
}

/** Why an attempt of the region is gone; undefined: none is, or it was never deployed. */
function failureOf(state: JobMasterState, region: number, attempts: ReportedAttempts): ErrorData | undefined {
  const runs = state.regions[region]?.status.type === 'running'
  for (const index of subtasksOfRegion(state, region)) {
    const attempt = attemptOf(state, index)
    if (attempt === undefined) continue
    const reported = attempts.get(attempt.attemptId)
    const message = `an attempt was lost while there was no leader: ${attempt.attemptId}`
    if (slotAddressOf(state, index) === undefined) return { code: 'MR_SLOT_LOST', message }
    if (reported?.state === 'failed') return reported.error ?? { code: 'MR_SLOT_LOST', message }
    if (runs && (reported === undefined || reported.state === 'canceled')) return { code: 'MR_SLOT_LOST', message }
  }
  return undefined
}

/** Its attempts that have finished meanwhile have committed everything (R12). */
function withFinished(state: JobMasterState, region: number, recorded: JobMasterState): JobMasterState {
  let next = state
  for (const index of subtasksOfRegion(state, region)) {
    const before = recorded.subtasks[index]
    if (before?.type !== 'attempt' || state.subtasks[index]?.type !== 'none') continue
    const subtasks = next.subtasks.map((old, other) => (other === index ? ({ type: 'finished' } as const) : old))
    next = transactionsFinished({ ...next, subtasks }, before.attemptId)
  }
  return next
}

/** Its deployment was interrupted: nothing has failed, but whether it had arrived everywhere is not known. */
function deployAgain(state: JobMasterState, region: number): JobDecision {
  const subtasks = subtasksOfRegion(state, region)
  const ran = subtasks.some((index) => {
    const status = attemptOf(state, index)?.status
    return status === 'running' || status === 'ended'
  })
  const counted = ran ? { ...state, restarts: state.restarts + 1 } : state
  return cancelSubtasks(withRegion(counted, region, { type: 'pending' }), subtasks)
}

/** Regions that waited for their restart have waited long enough; what was left of them is told again to go. */
function restartAtOnce(state: JobMasterState, recorded: JobMasterState): JobDecision {
  let next = state
  const effects: JobMasterEffect[] = []
  for (const [region, { status }] of recorded.regions.entries()) {
    if (status.type !== 'restarting' && status.type !== 'pending') continue
    const due = status.type === 'restarting' ? withRegion(next, region, { ...status, due: true }) : next
    const cancelled = cancelSubtasks(due, subtasksOfRegion(next, region))
    next = cancelled.state
    effects.push(...cancelled.effects)
  }
  return { state: next, effects }
}

/** Attempts that live and that the job does not know, or not any more. */
export function cancelStrays(state: JobMasterState, attempts: ReportedAttempts): JobDecision {
  const strays = attempts.all.filter(
    (attempt) => isAlive(attempt) && subtaskOfAttempt(state, attempt.attemptId) === undefined,
  )
  if (strays.length === 0) return unchanged(state)
  const cancelled = strays.map(({ slot, attemptId }) => ({ slot, attemptId }))
  return { state, effects: [{ type: 'cancelAttempts', attempts: cancelled }] }
}
