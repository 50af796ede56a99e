import type { ErrorData } from '../../common/errors.ts'
import { checkpointTimedOut, completionRefused } from '../checkpoints/abort.ts'
import { checkpointBeginFailed, checkpointBegun } from '../checkpoints/begin.ts'
import { markedCommitted, markFailed, retryMark } from '../checkpoints/commits.ts'
import { checkpointCompleted, completionUndetermined, retryCompletion } from '../checkpoints/complete.ts'
import { checkpointWanted, intervalPassed, noLongerHeldBack } from '../checkpoints/schedule.ts'
import { type Decision, inSequence, type Moment, unchanged, unreachable } from '../decision.ts'
import { restoreObstacle } from '../restore.ts'
import { attemptEvent } from './attempts.ts'
import { beginIfDue, withCheckpoints } from './checkpointing.ts'
import { endedIfNothingIsLeft, endJob, failJob, finishedIfAllIsDone } from './ending.ts'
import { lostSlotsRefused, replaceLostSlots, taskManagerLost } from './lost-slots.ts'
import type { JobMasterEffect, JobMasterMessage, JobTimer } from './messages.ts'
import { deployWaitingRegions, failRegions, followRegions, previousCheckpointRead, restartDue } from './regions.ts'
import { onRequest } from './requests.ts'
import {
  locateAgain,
  locateAllSplits,
  lookForNewSplits,
  splitsDiscovered,
  splitsLocated,
  splitsNotLocated,
} from './sources.ts'
import type { GrantedSlot, Incident, JobMasterState } from './state.ts'
import { finishedOnes, participants, slotsInUse } from './subtasks.ts'
import { suspendedIfCommitted, suspendJob, suspendTimedOut, suspendWithout } from './suspending.ts'
import {
  fenceIfDue,
  ledgerNotRecorded,
  ledgerRecorded,
  markRestored,
  recordLedger,
  restoredMarked,
} from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** One step of a JobMaster: the message changes what is known, then whatever follows from that is done. */
export function decide(state: JobMasterState, message: JobMasterMessage, now: Moment): JobDecision {
  if (state.phase.type !== 'ended') return andWhatFollows(state, (current) => handle(current, message, now), now)
  // What is asked of a job that has ended changes nothing, but is answered (R24).
  return onRequest(state, 'requestId' in message ? message.requestId : undefined, unchanged)
}

/** Runs a step, and does what follows from what has changed. */
export function andWhatFollows(
  state: JobMasterState,
  step: (state: JobMasterState) => JobDecision,
  now: Moment,
): JobDecision {
  return inSequence(state, [
    step,
    (current) => handleIncidents(current, now),
    followRegions,
    deployWaitingRegions,
    markRestored,
    fenceIfDue,
    recordLedger,
    // A region may have nothing left to deploy, so that it is finished at once.
    finishedIfAllIsDone,
    (current) => beginIfWanted(current, now),
    (current) => suspendedIfCommitted(current, now),
    (current) => handleIncidents(current, now),
    endedIfNothingIsLeft,
  ])
}

function beginIfWanted(state: JobMasterState, now: Moment): JobDecision {
  return state.phase.type === 'running' || state.phase.type === 'suspending' ? beginIfDue(state, now) : unchanged(state)
}

function handle(state: JobMasterState, message: JobMasterMessage, now: Moment): JobDecision {
  switch (message.type) {
    case 'start':
      return start(state, now)
    case 'slotsGranted':
      return slotsGranted(state, message.slots)
    case 'slotsRefused':
      return slotsRefused(state, message, now)
    case 'cancelJob':
      return onRequest(state, message.requestId, (current) => endJob(current, 'CANCELED', undefined, now))
    case 'suspendJob':
      return onRequest(state, message.requestId, (current) => suspendJob(current, now))
    case 'drainJob':
      return onRequest(state, message.requestId, drain)
    case 'checkpointJob':
      return withCheckpoints(state, checkpointWanted)
    case 'attempt':
      return attemptEvent(state, message.event, now)
    case 'taskManagerLost':
      return taskManagerLost(state, message, now)
    case 'splitsLocated':
      return splitsLocated(state, message)
    case 'splitsNotLocated':
      return splitsNotLocated(state, message, now)
    case 'splitsDiscovered':
      return splitsDiscovered(state, message)
    case 'transactionsRecorded':
      return ledgerRecorded(state, message.revision)
    case 'transactionsNotRecorded':
      return ledgerNotRecorded(state, message, now)
    case 'restoredMarked':
      return restoredMarked(state, message.error)
    case 'previousCheckpoint':
      return previousCheckpointRead(state, message, now)
    case 'timer':
      return timerFired(state, message.timer, now)
    default:
      return storeAnswered(state, message, now)
  }
}

type StoreMessage = Extract<
  JobMasterMessage,
  {
    readonly type:
      | 'checkpointBegun'
      | 'checkpointBeginFailed'
      | 'checkpointCompleted'
      | 'completionRefused'
      | 'completionUndetermined'
      | 'markedCommitted'
      | 'markFailed'
  }
>

function storeAnswered(state: JobMasterState, message: StoreMessage, now: Moment): JobDecision {
  return withCheckpoints(withMark(state, message), (checkpoints, facts) => {
    switch (message.type) {
      case 'checkpointBegun': {
        const all = participants(state)
        if (all !== undefined) return checkpointBegun(facts, checkpoints, { id: message.id, participants: all }, now)
        const error: ErrorData = { code: 'MR_CHECKPOINT_DECLINED', message: 'a subtask is not running any more' }
        return checkpointBeginFailed(facts, checkpoints, error, now)
      }
      case 'checkpointBeginFailed':
        return checkpointBeginFailed(facts, checkpoints, message.error, now)
      case 'checkpointCompleted':
        return checkpointCompleted(facts, checkpoints, { id: message.id, finished: finishedOnes(state) }, now)
      case 'completionRefused':
        return completionRefused(facts, checkpoints, message, now)
      case 'completionUndetermined':
        return completionUndetermined(facts, checkpoints, message, now)
      case 'markedCommitted':
        return markedCommitted(checkpoints, message.id)
      case 'markFailed':
        return markFailed(checkpoints, message)
      default:
        return unreachable(message)
    }
  })
}

/** A record that is marked committed is not committed again on restore (R17). */
function withMark(state: JobMasterState, message: StoreMessage): JobMasterState {
  const point = state.restorePoint
  if (message.type !== 'markedCommitted' || point?.ownRun !== true || point.record.id !== message.id) return state
  return { ...state, restorePoint: { ...point, committed: true } }
}

function timerFired(state: JobMasterState, timer: JobTimer, now: Moment): JobDecision {
  switch (timer.type) {
    case 'restartRegion':
      return restartDue(state, timer.region, timer.number)
    case 'locateAgain':
      return locateAgain(state, timer.vertexId)
    case 'discoverSplits':
      return lookForNewSplits(state, timer.vertexId)
    case 'suspendTimeout':
      return suspendTimedOut(state, now)
    case 'checkpointDue':
      return withCheckpoints(state, (checkpoints) => intervalPassed(checkpoints, timer.number))
    case 'checkpointHeldBack':
      return withCheckpoints(state, noLongerHeldBack)
    case 'checkpointTimeout':
      return withCheckpoints(state, (checkpoints, facts) =>
        checkpointTimedOut(facts, checkpoints, timer.checkpointId, now),
      )
    case 'completionRetry':
      return withCheckpoints(state, (checkpoints) => retryCompletion(checkpoints, timer.checkpointId))
    case 'ledgerRetry':
      return unchanged({ ...state, ledgerHeldBack: false })
    case 'markRetry':
      return withCheckpoints(state, (checkpoints) => retryMark(checkpoints, timer.checkpointId))
    default:
      return unreachable(timer)
  }
}

function start(state: JobMasterState, now: Moment): JobDecision {
  const obstacle =
    state.restorePoint === undefined ? undefined : restoreObstacle(state.restorePoint.record, state.facts.plan)
  if (obstacle !== undefined) return failJob(state, obstacle, now)
  return { state, effects: [{ type: 'requestSlots', count: state.facts.slotsNeeded }] }
}

function slotsGranted(state: JobMasterState, slots: readonly GrantedSlot[]): JobDecision {
  if (state.phase.type === 'ending') return unchanged(state)
  if (state.phase.type !== 'waitingForSlots') return replaceLostSlots(state, slots)
  const next: JobMasterState = {
    ...state,
    slots,
    phase: state.sources.length === 0 ? { type: 'running' } : { type: 'locatingSplits' },
  }
  const located = locateAllSplits(next)
  return { state: located.state, effects: [{ type: 'prepareSlots', slots }, ...located.effects] }
}

function slotsRefused(
  state: JobMasterState,
  refused: { readonly required: number; readonly available: number },
  now: Moment,
): JobDecision {
  const { required, available } = refused
  const message = `the job '${state.facts.plan.jobName}' needs ${required} task slots, but ${available} are available`
  if (state.phase.type !== 'waitingForSlots') return lostSlotsRefused(state, message, now)
  return failJob(state, { code: 'MR_NOT_ENOUGH_SLOTS', message }, now)
}

function drain(state: JobMasterState): JobDecision {
  // After a suspension no final watermark goes out (R12).
  if (state.draining || state.phase.type === 'suspending' || state.phase.type === 'ending') return unchanged(state)
  // Subtasks that are deployed later are told when they run.
  return {
    state: { ...state, draining: true },
    effects: [{ type: 'toSlots', slots: slotsInUse(state), message: { type: 'drain' } }],
  }
}

/** Until none is left: dealing with one may bring up the next. */
function handleIncidents(state: JobMasterState, now: Moment): JobDecision {
  if (state.incidents.length === 0) return unchanged(state)
  const dealtWith = inSequence<JobMasterState, JobMasterEffect>(
    { ...state, incidents: [] },
    state.incidents.map((incident) => (current: JobMasterState) => handleIncident(current, incident, now)),
  )
  const rest = handleIncidents(dealtWith.state, now)
  return { state: rest.state, effects: [...dealtWith.effects, ...rest.effects] }
}

function handleIncident(state: JobMasterState, incident: Incident, now: Moment): JobDecision {
  const lastCheckpoint = state.phase.type === 'suspending' && state.phase.stage === 'checkpoint'
  switch (incident.type) {
    case 'checkpointCompleted':
      return unchanged(lastCheckpoint ? { ...state, phase: { type: 'suspending', stage: 'commits' } } : state)
    case 'checkpointAborted':
      return lastCheckpoint ? suspendWithout(state, incident.reason, now) : unchanged(state)
    case 'checkpointsFailed':
      return failRegions(
        state,
        state.regions.map((_, region) => region),
        incident.error,
        now,
      )
    case 'storageLost':
      return failJob(state, incident.error, now)
    default:
      return unreachable(incident)
  }
}
