import { type CheckpointId, checkpointId, noCheckpoint } from '../../common/ids.ts'
import type { JobMasterState } from './state.ts'

/** A TaskManager that wants to leave, as one of its jobs sees it (R29). */
export interface Vacating {
  readonly taskManager: string
  /** What goes on elsewhere goes on from a checkpoint after this one. */
  readonly after: CheckpointId
}

/** A checkpoint that has been triggered already is not late enough: what came after its barriers would be done again. */
export function vacatingOf({ checkpoints }: JobMasterState, taskManager: string): Vacating {
  const phase = checkpoints?.phase
  const triggered = phase?.type === 'open' || phase?.type === 'completing' ? phase.checkpoint.barrier.id : noCheckpoint
  const latest = checkpoints?.latest?.id ?? noCheckpoint
  return { taskManager, after: checkpointId(Math.max(triggered, latest)) }
}

/**
 * A newer checkpoint is complete, and what it lists is committed. A job that takes none has nothing to go on from: it is
 * left alone until the TaskManager's grace time is over.
 */
export function isVacated({ checkpoints }: JobMasterState, { after }: Vacating): boolean {
  if (checkpoints === undefined) return false
  return (checkpoints.latest?.id ?? noCheckpoint) > after && checkpoints.commits.type === 'settled'
}
