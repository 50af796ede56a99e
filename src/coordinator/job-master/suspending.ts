import { type Decision, type Moment, unchanged } from '../decision.ts'
import { endJob } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState } from './state.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/**
 * Ctrl-C: one last checkpoint and its commits, no final watermark (R12), then everything is cancelled. Where none can be
 * taken now (no checkpointing, or a region is being restarted), the newest completed one is what a new run starts from.
 */
export function suspendJob(state: JobMasterState, now: Moment): JobDecision {
  switch (state.phase.type) {
    case 'waitingForSlots':
    case 'locatingSplits':
      return endJob(state, 'SUSPENDED', undefined, now)
    case 'running': {
      const allRun = state.regions.every(({ status }) => status.type === 'running' || status.type === 'finished')
      const undetermined = state.checkpoints?.phase.type === 'completing'
      if (state.checkpoints === undefined || !(allRun || undetermined)) {
        return endJob(state, 'SUSPENDED', undefined, now)
      }
      return unchanged({ ...state, phase: { type: 'suspending', stage: 'checkpoint' } })
    }
    case 'suspending':
    case 'ending':
    case 'ended':
      return unchanged(state)
  }
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
