import { type ErrorData, errorCodes } from '../../common/errors.ts'
import { abortOpenCheckpoint } from '../checkpoints/abort.ts'
import { type Decision, inSequence, type Moment, unchanged } from '../decision.ts'
import { decideRestart } from '../restart-strategies.ts'
import type { RestorePoint } from '../restore.ts'
import { withCheckpoints } from './checkpointing.ts'
import { deployRegion, isNowhere, withRegion } from './deployment.ts'
import { cancelSubtasks, endJob, failJob } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import { type JobMasterState, restorePointOf } from './state.ts'
import { slotAddressOf, subtasksOfRegion } from './subtasks.ts'
import { suspendWithout } from './suspending.ts'
import { needsReservation, recordLedger, reserve } from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** One or more regions have failed: they alone restart, from the newest completed checkpoint, as the strategy allows (R13). */
export function failRegions(
  state: JobMasterState,
  regions: readonly number[],
  error: ErrorData,
  now: Moment,
): JobDecision {
  const failed = regions.filter((region) => canFail(state, region))
  if (failed.length === 0) return unchanged(state)
  if (state.phase.type === 'suspending') {
    // The last checkpoint is there where its commits are waited for.
    if (state.phase.stage === 'commits') return endJob(state, 'SUSPENDED', error, now)
    return suspendWithout(state, error, now)
  }
  if (state.phase.type !== 'running') return unchanged(state)
  if (errorCodes[error.code].severity === 'fatal') return failJob(state, error, now)
  const { restartStrategy } = state.facts.plan.configuration
  const moment = { now: now.monotonicMs, random: now.random }
  const decision = decideRestart(restartStrategy, state.restartState, moment)
  const counted = { ...state, restartState: decision.state, lastFailure: error }
  if (decision.type === 'giveUp') {
    return failJob(counted, restartStrategy.type === 'none' ? error : exhausted(decision.reason, error), now)
  }
  return inSequence({ ...counted, restarts: counted.restarts + failed.length }, [
    (current) => abortCheckpoint(current, error, now),
    ...failed.map((region) => (current: JobMasterState) => restartRegion(current, region, error, decision.delayMs)),
  ])
}

function canFail(state: JobMasterState, region: number): boolean {
  const status = state.regions[region]?.status.type
  return status === 'deploying' || status === 'running'
}

function exhausted(reason: string, error: ErrorData): ErrorData {
  const message = `not restarted: ${reason}; the last failure: ${error.message}`
  return { ...error, code: 'MR_RESTARTS_EXHAUSTED', message }
}

/** R13: a region's failure aborts the open checkpoint of the whole job. */
function abortCheckpoint(state: JobMasterState, reason: ErrorData, now: Moment): JobDecision {
  return withCheckpoints(state, (checkpoints, facts) => abortOpenCheckpoint(facts, checkpoints, reason, now))
}

function restartRegion(state: JobMasterState, region: number, error: ErrorData, delayMs: number): JobDecision {
  const number = state.restarts
  const restarting = withRegion(state, region, { type: 'restarting', number, due: false, error })
  const cancelled = cancelSubtasks(restarting, subtasksOfRegion(state, region))
  return {
    state: cancelled.state,
    effects: [
      {
        type: 'log',
        level: 'warn',
        text: `${state.regions.length === 1 ? 'the job' : `region ${region} of the job`} failed and restarts in ${Math.round(delayMs)} ms: ${error.code}: ${error.message}`,
      },
      ...cancelled.effects,
      { type: 'setTimer', timer: { type: 'restartRegion', region, number }, delayMs },
    ],
  }
}

/** The delay of a restart has passed. */
export function restartDue(state: JobMasterState, region: number, number: number): JobDecision {
  const status = state.regions[region]?.status
  if (status?.type !== 'restarting' || status.number !== number) return unchanged(state)
  return unchanged(withRegion(state, region, { ...status, due: true }))
}

/**
 * A blob of the checkpoint that a region restores from is damaged. Without exactly-once sinks the region goes back to
 * the checkpoint before it, by itself and at once; else that is a person's choice, and the job fails naming the blob (R9).
 */
export function fallBackOrFail(state: JobMasterState, region: number, error: ErrorData, now: Moment): JobDecision {
  const point = restorePointOf(state, region)
  const impossible = state.facts.exactlyOnce || point === undefined || state.phase.type !== 'running'
  if (impossible || !canFail(state, region)) return failRegions(state, [region], error, now)
  const number = state.restarts + 1
  const text = `checkpoint ${point.record.id} is damaged, going back to the one before it: ${error.message}`
  const counted: JobMasterState = { ...state, restarts: number, lastFailure: error }
  return inSequence(counted, [
    (current) => abortCheckpoint(current, error, now),
    (current) => unchanged(withRegion(current, region, { type: 'restarting', number, due: false, error })),
    (current) => cancelSubtasks(current, subtasksOfRegion(current, region)),
    (current) => ({
      state: current,
      effects: [
        { type: 'log', level: 'warn', text },
        { type: 'readPreviousCheckpoint', region, point },
      ],
    }),
  ])
}

export function previousCheckpointRead(
  state: JobMasterState,
  read: { readonly region: number; readonly point: RestorePoint | undefined },
  now: Moment,
): JobDecision {
  const { region, point } = read
  const status = state.regions[region]?.status
  if (status?.type !== 'restarting' || state.phase.type !== 'running') return unchanged(state)
  if (point === undefined) return failJob(state, status.error, now)
  const regions = state.regions.map((old, index) =>
    index === region ? { status: { ...status, due: true }, fallback: point } : old,
  )
  // What the damaged record names is not built on: the next checkpoint writes everything.
  return unchanged({ ...state, regions, checkpoints: withoutRegion(state, region) })
}

/** The lists that the damaged record has of this region can not be committed any more; such jobs promise no more than that (R9). */
function withoutRegion(state: JobMasterState, region: number): JobMasterState['checkpoints'] {
  if (state.checkpoints === undefined) return undefined
  const full = { ...state.checkpoints, incremental: false }
  if (full.commits.type !== 'waiting') return full
  const gone = subtasksOfRegion(state, region)
  const subtasks = full.commits.subtasks.filter((subtask) => !gone.includes(subtask))
  return { ...full, commits: subtasks.length === 0 ? { type: 'settled' } : { ...full.commits, subtasks } }
}

/**
 * Deploys the regions that nothing stands against: all their attempts are gone, their delay has passed, their slots are
 * there, and no completion is undetermined, since that decides what they restart from (R3).
 */
export function deployWaitingRegions(state: JobMasterState): JobDecision {
  const { phase, checkpoints } = state
  // Also for the last checkpoint of a suspended job.
  const goesOn = phase.type === 'running' || (phase.type === 'suspending' && phase.stage === 'checkpoint')
  if (!goesOn || checkpoints?.phase.type === 'completing') return unchanged(state)
  const ready = state.regions.flatMap(({ status }, region) => {
    const waits = status.type === 'pending' || (status.type === 'restarting' && status.due)
    const subtasks = subtasksOfRegion(state, region)
    const empty = subtasks.every((index) => isNowhere(state.subtasks[index]))
    return waits && empty && subtasks.every((index) => slotAddressOf(state, index) !== undefined) ? [region] : []
  })
  return inSequence(
    state,
    ready.map((region) => (current: JobMasterState) => deployWithIds(current, region)),
  )
}

/** With transactional sinks only once the attempts' ids are durable (R15). */
function deployWithIds(state: JobMasterState, region: number): JobDecision {
  if (!needsReservation(state, region)) return deployRegion(state, region)
  const reserved = recordLedger(reserve(state, region))
  if (needsReservation(reserved.state, region)) return reserved
  const deployed = deployRegion(reserved.state, region)
  return { state: deployed.state, effects: [...reserved.effects, ...deployed.effects] }
}

/** Follows the regions' attempts: all running, all finished. */
export function followRegions(state: JobMasterState): JobDecision {
  let next = state
  for (const [region, { status }] of state.regions.entries()) {
    if (status.type !== 'deploying' && status.type !== 'running') continue
    const subtasks = subtasksOfRegion(state, region).map((index) => state.subtasks[index])
    const deployed = subtasks.every((subtask) => subtask?.type === 'finished' || isRunning(subtask))
    if (subtasks.every((subtask) => subtask?.type === 'finished')) next = withRegion(next, region, { type: 'finished' })
    else if (deployed && status.type === 'deploying') next = withRegion(next, region, { type: 'running' })
  }
  return unchanged(next)
}

function isRunning(subtask: JobMasterState['subtasks'][number] | undefined): boolean {
  return subtask?.type === 'attempt' && subtask.status !== 'deploying' && subtask.status !== 'cancelling'
}
