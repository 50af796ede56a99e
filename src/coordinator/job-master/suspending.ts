import type { ErrorData } from '../../common/errors.ts'
import { type Decision, type Moment, unchanged } from '../decision.ts'
import { endJob } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState } from './state.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** A deployment that is under way is waited for so long. */
const deploymentLimitMs = 10_000

/**
 * Ctrl-C: one last checkpoint and its commits, no final watermark (R12), then everything is cancelled. Where regions are
 * being deployed it is taken as soon as they run. Where none can be taken (no checkpointing, or a region is being
 * restarted), the newest completed one is what a new run starts from, and the error says so.
 */
export function suspendJob(state: JobMasterState, now: Moment): JobDecision {
  switch (state.phase.type) {
    case 'waitingForSlots':
    case 'locatingSplits':
      return endJob(state, 'SUSPENDED', undefined, now)
    case 'running':
      return state.checkpoints === undefined ? endJob(state, 'SUSPENDED', undefined, now) : lastCheckpoint(state, now)
    case 'suspending':
    case 'ending':
    case 'ended':
      return unchanged(state)
  }
}

function lastCheckpoint(state: JobMasterState, now: Moment): JobDecision {
  const suspending: JobMasterState = { ...state, phase: { type: 'suspending', stage: 'checkpoint' } }
  // The one whose completion is undetermined is the last one.
  if (state.checkpoints?.phase.type === 'completing') return unchanged(suspending)
  for (const { status } of state.regions) {
    if (status.type === 'restarting') return suspendWithout(state, status.error, now)
  }
  if (!isBeingDeployed(state)) return unchanged(suspending)
  const timer = { type: 'suspendTimeout' } as const
  return { state: suspending, effects: [{ type: 'setTimer', timer, delayMs: deploymentLimitMs }] }
}

function isBeingDeployed({ regions }: JobMasterState): boolean {
  return regions.some(({ status }) => status.type === 'deploying' || status.type === 'pending')
}

/** The time limit of a deployment that the last checkpoint waits for begins anew with a new leader. */
export function awaitDeployment(state: JobMasterState): JobDecision {
  if (state.phase.type !== 'suspending' || !isBeingDeployed(state)) return unchanged(state)
  return { state, effects: [{ type: 'setTimer', timer: { type: 'suspendTimeout' }, delayMs: deploymentLimitMs }] }
}

/** The limit of `suspendJob` has passed. */
export function suspendTimedOut(state: JobMasterState, now: Moment): JobDecision {
  if (state.phase.type !== 'suspending' || !isBeingDeployed(state)) return unchanged(state)
  const message = `the job was still being deployed after ${deploymentLimitMs / 1000} s`
  return suspendWithout(state, { code: 'MR_CHECKPOINT_TIMEOUT', message }, now)
}

/** The job is stopped without a last checkpoint; the error says what kept it from one, and where a new run goes on. */
export function suspendWithout(state: JobMasterState, reason: ErrorData, now: Moment): JobDecision {
  const { restorePoint } = state
  const next = restorePoint === undefined ? 'begins anew' : `goes on from checkpoint ${restorePoint.record.id}`
  const message = `no last checkpoint was taken, and the next run ${next}: ${reason.message}`
  return endJob(state, 'SUSPENDED', { ...reason, message }, now)
}

/**
 * The last checkpoint is complete, and all that it lists is committed, but for what subtasks list that are gone: that is
 * committed when the job is started again (R16).
 */
export function suspendedIfCommitted(state: JobMasterState, now: Moment): JobDecision {
  if (state.phase.type !== 'suspending' || state.phase.stage !== 'commits') return unchanged(state)
  const commits = state.checkpoints?.commits
  const waits =
    commits?.type === 'waiting' && commits.subtasks.some((index) => state.subtasks[index]?.type === 'attempt')
  if (waits || commits?.type === 'marking') return unchanged(state)
  return endJob(state, 'SUSPENDED', undefined, now)
}
