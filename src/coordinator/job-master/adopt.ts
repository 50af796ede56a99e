import { type CheckpointId, noCheckpoint } from '../../common/ids.ts'
import { expectCommits } from '../checkpoints/commits.ts'
import { type Decision, inSequence, type Moment, unchanged } from '../decision.ts'
import type { Inventory } from '../task-manager/inventory.ts'
import { adoptRegions, cancelStrays } from './adopt-regions.ts'
import { announcementOf, withCheckpoints, withFinishing } from './checkpointing.ts'
import { andWhatFollows, decide } from './decide.ts'
import { endJob } from './ending.ts'
import type { JobRecord } from './job-record.ts'
import { requestLostSlots } from './lost-slots.ts'
import type { JobMasterEffect } from './messages.ts'
import { type AdoptionFacts, stateOf } from './recorded-state.ts'
import { ReportedAttempts } from './reported-attempts.ts'
import { locateRest, reopenEnumerators } from './sources.ts'
import type { JobMasterState } from './state.ts'
import { finishedOnes, slotAddressOf, slotsInUse } from './subtasks.ts'
import { awaitDeployment } from './suspending.ts'
import { restoredCommitted } from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** What a new leader has to go on with a job. */
export interface AdoptedJob {
  readonly record: JobRecord
  /** Of the new JobMaster: attempts of its own are numbered under it. */
  readonly token: string
  /** Of all TaskManagers that are there; one that is not among them counts as lost (R23 d). */
  readonly inventories: readonly Inventory[]
  readonly facts: AdoptionFacts
}

/**
 * Takes a job over from the leader before: regions that run are kept as they are, others are cancelled and deployed
 * again; the unfinished checkpoint is aborted, the newest completion told again (R23 c, d, e).
 */
export function adoptJob(job: AdoptedJob, now: Moment): JobDecision {
  const state = stateOf(job.record, job.token, job.facts, now)
  const attempts = new ReportedAttempts(state.facts.jobId, job.inventories)
  switch (state.phase.type) {
    case 'ended': {
      const { outcome, error } = state.phase
      return { state, effects: [{ type: 'jobEnded', outcome, error }] }
    }
    case 'waitingForSlots':
      return inSequence(state, [expectLatest, (current) => decide(current, { type: 'start' }, now)])
    case 'locatingSplits':
      return inSequence(state, [
        expectLatest,
        (current) => withoutLostSlots(current, attempts),
        prepareSlots,
        requestLostSlots,
        locateRest,
      ])
    case 'ending':
      return adoptEnding(state, attempts, now)
    case 'running':
    case 'suspending':
      return adoptRunning(state, attempts, now)
  }
}

function withoutLostSlots(state: JobMasterState, attempts: ReportedAttempts): JobDecision {
  const slots = state.slots.map((slot) => (slot !== undefined && attempts.hasSlot(slot) ? slot : undefined))
  return unchanged({ ...state, slots })
}

function prepareSlots(state: JobMasterState): JobDecision {
  return { state, effects: [{ type: 'prepareSlots', slots: state.slots.filter((slot) => slot !== undefined) }] }
}

function adoptRunning(recorded: JobMasterState, attempts: ReportedAttempts, now: Moment): JobDecision {
  return andWhatFollows(
    recorded,
    (state) =>
      inSequence(state, [
        (current) => withoutLostSlots(current, attempts),
        (current) => unchanged(attempts.reported(current)),
        (current) => settleCheckpoints(current, attempts.highestBegun),
        (current) => adoptRegions(current, { recorded, attempts }, now),
        (current) => cancelStrays(current, attempts),
        expectLatest,
        repeatCommands,
        requestLostSlots,
        reopenEnumerators,
        awaitDeployment,
      ]),
    now,
  )
}

/** Whatever its attempts were, they are cancelled; what the newest completed checkpoint lists is committed before (R16). */
function adoptEnding(recorded: JobMasterState, attempts: ReportedAttempts, now: Moment): JobDecision {
  if (recorded.phase.type !== 'ending') return unchanged(recorded)
  const { outcome, error } = recorded.phase
  return andWhatFollows(
    { ...recorded, phase: { type: 'running' } },
    (state) =>
      inSequence(state, [
        (current) => withoutLostSlots(current, attempts),
        (current) => unchanged(attempts.reported(current)),
        (current) => settleCheckpoints(current, attempts.highestBegun),
        (current) => endJob(current, outcome, error, now),
        (current) => cancelStrays(current, attempts),
      ]),
    now,
  )
}

/** The unfinished checkpoint will not complete; the newest completion is told again (R23 e). */
function settleCheckpoints(state: JobMasterState, highestBegun: CheckpointId): JobDecision {
  const latest = state.checkpoints?.latest
  const effects: JobMasterEffect[] = []
  if (highestBegun > (latest?.id ?? noCheckpoint)) {
    const message = { type: 'checkpointAborted', checkpointId: highestBegun } as const
    effects.push({ type: 'toSlots', slots: slotsInUse(state), message })
  }
  if (latest === undefined) return { state, effects }
  const next = withFinishing(state, latest)
  return { state: next, effects: [...effects, ...announcementOf(next, latest)] }
}

/** The commits of the newest completed checkpoint are awaited again. */
function expectLatest(state: JobMasterState): JobDecision {
  const settled = finishedOnes(state)
  // What a damaged record lists of a region that went back to the one before it can not be committed any more (R9).
  const without = new Set([
    ...settled,
    ...state.facts.graph.subtasks.flatMap(({ index, region }) => (state.regions[region]?.fallback ? [index] : [])),
  ])
  return withCheckpoints(state, (checkpoints, facts) => {
    if (checkpoints.latest === undefined || state.restorePoint?.committed === true) return unchanged(checkpoints)
    return expectCommits(facts, checkpoints, checkpoints.latest, without)
  })
}

/** What adopted attempts were told last may have been lost with the leader: all of it may be told again (R22). */
function repeatCommands(state: JobMasterState): JobDecision {
  let next = state
  const effects: JobMasterEffect[] = []
  for (const { index, vertexId, subtaskIndex } of state.facts.graph.subtasks) {
    const subtask = state.subtasks[index]
    const slot = slotAddressOf(state, index)
    if (subtask?.type !== 'attempt' || subtask.status === 'cancelling' || slot === undefined) continue
    const { attemptId } = subtask
    next = restoredCommitted(next, index, subtask.restoredFrom)
    const source = state.sources.find((candidate) => candidate.vertexId === vertexId)
    const splits = (source?.splits ?? []).flatMap((entry) => (entry.subtaskIndex === subtaskIndex ? [entry.split] : []))
    if (splits.length > 0 && source?.discoveryIntervalMs !== undefined) {
      effects.push({ type: 'toSlots', slots: [slot], message: { type: 'addSplits', attemptId, splits } })
    }
    const entry = state.transactions?.ledger.find((candidate) => candidate.attemptId === attemptId)
    if (entry === undefined) continue
    const message = { type: 'transactionalIdsGranted', attemptId, mark: entry.mark } as const
    effects.push({ type: 'toSlots', slots: [slot], message })
  }
  if (state.draining) effects.push({ type: 'toSlots', slots: slotsInUse(state), message: { type: 'drain' } })
  return { state: next, effects }
}
