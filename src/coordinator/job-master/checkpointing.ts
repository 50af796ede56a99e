import type { CheckpointRecord } from '../../state/checkpoint-record.ts'
import { beginCheckpoint } from '../checkpoints/begin.ts'
import { partOf } from '../checkpoints/parts.ts'
import { scheduleNext } from '../checkpoints/schedule.ts'
import type { CheckpointEffect, CheckpointFacts, CheckpointsState } from '../checkpoints/state.ts'
import { type Decision, inSequence, type Moment, unchanged, unreachable } from '../decision.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState } from './state.ts'
import { participants, slotsInUse, subtasksOfRegion } from './subtasks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/** Runs a step of the checkpoint coordinator; without one nothing happens. */
export function withCheckpoints(
  state: JobMasterState,
  step: (checkpoints: CheckpointsState, facts: CheckpointFacts) => Decision<CheckpointsState, CheckpointEffect>,
): JobDecision {
  if (state.checkpoints === undefined || state.facts.checkpointing === undefined) return unchanged(state)
  const decision = step(state.checkpoints, state.facts.checkpointing)
  let current: JobMasterState = { ...state, checkpoints: decision.state }
  const effects: JobMasterEffect[] = []
  for (const effect of decision.effects) {
    const translated = translate(current, effect)
    current = translated.state
    effects.push(...translated.effects)
  }
  return { state: current, effects }
}

function translate(state: JobMasterState, effect: CheckpointEffect): JobDecision {
  switch (effect.type) {
    case 'beginCheckpoint':
    case 'completeCheckpoint':
    case 'markCommitted':
    case 'retainCheckpoints':
    case 'setTimer':
    case 'cancelTimer':
      return { state, effects: [effect] }
    case 'triggerCheckpoint':
      return {
        state,
        effects: [
          {
            type: 'toSlots',
            slots: slotsInUse(state),
            message: { type: 'triggerCheckpoint', barrier: effect.barrier },
          },
        ],
      }
    case 'announceCompleted':
      return completed(state, effect.record)
    case 'announceAborted':
      return aborted(state, effect)
    case 'checkpointsFailed':
    case 'storageLost':
      return unchanged({ ...state, incidents: [...state.incidents, effect] })
    default:
      return unreachable(effect)
  }
}

/** Subtasks that have ended, as this checkpoint says: they commit and finish by themselves (R12). */
export function withFinishing(state: JobMasterState, record: CheckpointRecord): JobMasterState {
  const finished = new Set(
    state.facts.graph.subtasks.filter((place) => partOf(record, place)?.finished === true).map(({ index }) => index),
  )
  const subtasks = state.subtasks.map((subtask, index) =>
    subtask.type === 'attempt' && subtask.status === 'ended' && finished.has(index)
      ? ({ ...subtask, status: 'finishing' } as const)
      : subtask,
  )
  return { ...state, subtasks }
}

/** Tells everyone that a checkpoint is complete: sinks commit what it lists, sources tell people's tools. */
export function announcementOf(state: JobMasterState, record: CheckpointRecord): readonly JobMasterEffect[] {
  const effects: JobMasterEffect[] = [
    { type: 'toSlots', slots: slotsInUse(state), message: { type: 'checkpointCompleted', checkpointId: record.id } },
  ]
  for (const source of state.sources) {
    const vertex = record.vertices.find((candidate) => candidate.vertexId === source.vertexId)
    const splits = vertex?.subtasks.flatMap((subtask) => subtask.splits) ?? []
    effects.push({ type: 'tellEnumerator', vertexId: source.vertexId, splits })
  }
  return effects
}

/** The newest completed checkpoint is what everything is restored from, from now on (I6). */
function completed(state: JobMasterState, record: CheckpointRecord): JobDecision {
  const next: JobMasterState = {
    ...withFinishing(state, record),
    restorePoint: { record, blobStore: state.facts.blobStore, committed: false, ownRun: true },
    regions: state.regions.map((region) => ({ ...region, fallback: undefined })),
    incidents: [...state.incidents, { type: 'checkpointCompleted' }],
  }
  return { state: next, effects: announcementOf(next, record) }
}

function aborted(
  state: JobMasterState,
  { checkpointId, reason }: Extract<CheckpointEffect, { readonly type: 'announceAborted' }>,
): JobDecision {
  // A failure that takes the checkpoint with it is told as such.
  const level = reason === state.lastFailure ? 'info' : 'warn'
  const effects: JobMasterEffect[] = [{ type: 'log', level, text: `checkpoint failed: ${reason.message}` }]
  if (checkpointId !== undefined) {
    const message = { type: 'checkpointAborted', checkpointId } as const
    effects.push({ type: 'toSlots', slots: slotsInUse(state), message })
  }
  return { state: { ...state, incidents: [...state.incidents, { type: 'checkpointAborted', reason }] }, effects }
}

/**
 * Begins a checkpoint where one is due, or at once where all subtasks of a region have ended, whatever other regions do
 * (R12). Only while every region runs or has finished: an attempt that is being restored has nothing to write.
 */
export function beginIfDue(state: JobMasterState, now: Moment): JobDecision {
  const statuses = state.regions.map((region) => region.status.type)
  if (!statuses.every((status) => status === 'running' || status === 'finished')) return unchanged(state)
  if (!statuses.includes('running') || participants(state) === undefined) return unchanged(state)
  const lastOne = state.phase.type === 'suspending' && state.phase.stage === 'checkpoint'
  // The last one is complete: what another would list, nobody would commit any more.
  if (state.phase.type === 'suspending' && !lastOne) return unchanged(state)
  const atOnce = lastOne || someRegionHasEnded(state)
  return withCheckpoints(state, (checkpoints, facts) =>
    inSequence<CheckpointsState, CheckpointEffect>(checkpoints, [
      // The first interval starts when the job runs.
      (current) => (current.timer === 0 ? scheduleNext(facts, current, now.monotonicMs, now) : unchanged(current)),
      (current) => (current.due || atOnce ? beginCheckpoint(current) : unchanged(current)),
    ]),
  )
}

/** A region whose subtasks have all ended, one of them not yet covered by a completed checkpoint. */
function someRegionHasEnded(state: JobMasterState): boolean {
  return state.regions.some((_, region) => {
    let uncovered = false
    for (const index of subtasksOfRegion(state, region)) {
      const subtask = state.subtasks[index]
      if (subtask?.type === 'finished') continue
      if (subtask?.type !== 'attempt' || (subtask.status !== 'ended' && subtask.status !== 'finishing')) return false
      uncovered ||= subtask.status === 'ended'
    }
    return uncovered
  })
}
