import { MillraceError } from '../../common/errors.ts'
import type { JobMasterState } from './state.ts'

/** Held after every step of a running JobMaster, and in the random walks of the tests. @throws MillraceError MR_INTERNAL */
export function assertInvariants(state: JobMasterState): void {
  const attempts = state.subtasks.flatMap((subtask) => (subtask.type === 'attempt' ? [subtask.attemptId] : []))
  hold(new Set(attempts).size === attempts.length, 'two subtasks have one attempt (I5)')
  hold(state.incidents.length === 0, 'an incident was not dealt with')
  assertSlots(state)
  assertOpenCheckpoint(state)
  if (state.phase.type === 'ended') {
    hold(attempts.length === 0, 'the job has ended and an attempt lives')
    if (state.phase.outcome === 'FINISHED') assertCommitted(state)
  }
}

/** Slot sharing: one subtask of each vertex in a slot. */
function assertSlots(state: JobMasterState): void {
  const places = new Set<string>()
  for (const [index, { vertexId }] of state.facts.graph.subtasks.entries()) {
    const place = `${vertexId}/${state.facts.slotOf[index]}`
    hold(!places.has(place), `two subtasks of vertex ${vertexId} are in one slot`)
    places.add(place)
  }
}

/** An open checkpoint expects living attempts only: the failure of any of them aborts it (R13). */
function assertOpenCheckpoint(state: JobMasterState): void {
  const phase = state.checkpoints?.phase
  if (phase?.type !== 'open') return
  for (const [index, part] of phase.checkpoint.parts.entries()) {
    const subtask = state.subtasks[index]
    if (part.type !== 'expected') continue
    const live = subtask?.type === 'attempt' && subtask.attemptId === part.attemptId && subtask.status !== 'cancelling'
    hold(live, `checkpoint ${phase.checkpoint.barrier.id} waits for an attempt that is gone (I5)`)
  }
}

/** R12: FINISHED implies that everything is committed. */
function assertCommitted(state: JobMasterState): void {
  const all = state.subtasks.every((subtask) => subtask.type === 'finished')
  hold(all, 'the job is FINISHED and a subtask is not')
  const { checkpoints } = state
  hold(
    checkpoints === undefined || checkpoints.commits.type === 'settled',
    'the job is FINISHED and not committed (R12)',
  )
}

function hold(condition: boolean, what: string): void {
  if (!condition) throw new MillraceError('MR_INTERNAL', what)
}
