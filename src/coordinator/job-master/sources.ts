import type { SourceSplit } from '../../api/source.ts'
import { type ErrorData, errorCodes } from '../../common/errors.ts'
import type { VertexId } from '../../common/ids.ts'
import { type Decision, type Moment, unchanged } from '../decision.ts'
import { decideRestart } from '../restart-strategies.ts'
import { checkpointedSplits, matchingVertices } from '../restore.ts'
import { type AssignedSplit, addSplits, assignSplits } from '../splits.ts'
import { vertexOf } from './deployment.ts'
import { failJob } from './ending.ts'
import type { JobMasterEffect } from './messages.ts'
import type { JobMasterState, SourceCoordination } from './state.ts'
import { slotAddressOf, withSubtask } from './subtasks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>
type LocateSplits = Extract<JobMasterEffect, { readonly type: 'locateSplits' }>

const reopenMs = 10_000

/** Asks the enumerators of all sources for their splits, once in the life of a JobMaster: restarts of regions go on with these. */
export function locateAllSplits(state: JobMasterState): JobDecision {
  return { state, effects: state.sources.map((source) => locate(state, source)) }
}

function locate(state: JobMasterState, source: SourceCoordination): LocateSplits {
  const vertex = vertexOf(state, source.vertexId)
  const record = state.restorePoint?.record
  // A source that the checkpoint does not know starts as in a first run.
  const known =
    record === undefined || matchingVertices(record, vertex).length === 0
      ? undefined
      : checkpointedSplits(record, vertex)
  return { ...locateEffect(state, source), known }
}

function locateEffect(state: JobMasterState, source: SourceCoordination): Omit<LocateSplits, 'known'> {
  const vertex = vertexOf(state, source.vertexId)
  return {
    type: 'locateSplits',
    vertexId: source.vertexId,
    description: vertex.source?.description ?? { connector: '', options: null },
    operatorName: vertex.operators[0]?.name ?? vertex.name,
    parallelism: source.parallelism,
  }
}

interface Located {
  readonly vertexId: VertexId
  readonly splits: readonly SourceSplit[]
  readonly discoveryIntervalMs: number | undefined
}

/** The splits of one source; with those of the last one everything is there to be deployed. */
export function splitsLocated(state: JobMasterState, located: Located): JobDecision {
  // Opened anew by the next leader while the job runs: what it does not know yet has appeared since.
  if (state.phase.type === 'running' && !state.draining) return splitsDiscovered(state, located)
  if (state.phase.type !== 'locatingSplits') return unchanged(state)
  const { vertexId, discoveryIntervalMs } = located
  const sources = state.sources.map((source): SourceCoordination => {
    if (source.vertexId !== vertexId || source.status === 'located') return source
    const splits = assignSplits(located.splits, source.parallelism)
    return { ...source, status: 'located', splits, discoveryIntervalMs }
  })
  const all = sources.every((source) => source.status === 'located')
  return {
    state: { ...state, sources, phase: all ? { type: 'running' } : state.phase },
    effects: discoveryTimer(vertexId, discoveryIntervalMs),
  }
}

function discoveryTimer(vertexId: VertexId, delayMs: number | undefined): readonly JobMasterEffect[] {
  return delayMs === undefined ? [] : [{ type: 'setTimer', timer: { type: 'discoverSplits', vertexId }, delayMs }]
}

/**
 * At a first start a source that can not be found fails the job at once: a person is waiting. A job that goes on by
 * itself after its process was lost tries again, as its restart strategy allows.
 */
export function splitsNotLocated(
  state: JobMasterState,
  failure: { readonly vertexId: VertexId; readonly error: ErrorData },
  now: Moment,
): JobDecision {
  if (state.phase.type === 'running') return openLater(state, failure)
  if (state.phase.type !== 'locatingSplits') return unchanged(state)
  const { vertexId, error } = failure
  const mayRetry = state.restorePoint?.ownRun === true && errorCodes[error.code].severity === 'retryable'
  if (!mayRetry) return failJob(state, error, now)
  const moment = { now: now.monotonicMs, random: now.random }
  const decision = decideRestart(state.facts.plan.configuration.restartStrategy, state.restartState, moment)
  const next = { ...state, restartState: decision.state, lastFailure: error }
  if (decision.type === 'giveUp') return failJob(next, error, now)
  return {
    state: next,
    effects: [
      {
        type: 'log',
        level: 'warn',
        text: `source not found, looked for again in ${decision.delayMs} ms: ${error.message}`,
      },
      { type: 'setTimer', timer: { type: 'locateAgain', vertexId }, delayMs: decision.delayMs },
    ],
  }
}

export function locateAgain(state: JobMasterState, vertexId: VertexId): JobDecision {
  const source = state.sources.find((candidate) => candidate.vertexId === vertexId)
  if (source === undefined) return unchanged(state)
  if (state.phase.type === 'running') return { state, effects: [reopen(state, source)] }
  if (state.phase.type !== 'locatingSplits' || source.status !== 'locating') return unchanged(state)
  return { state, effects: [locate(state, source)] }
}

/** For the sources whose splits were being looked for when the leader was lost. */
export function locateRest(state: JobMasterState): JobDecision {
  const rest = state.sources.filter(({ status }) => status === 'locating')
  return { state, effects: rest.map((source) => locate(state, source)) }
}

/** The enumerators of a running job, for a leader that has none yet. What the subtasks read is not touched. */
export function reopenEnumerators(state: JobMasterState): JobDecision {
  if (state.phase.type !== 'running') return unchanged(state)
  const reading = state.sources.filter(({ vertexId }) =>
    state.facts.graph.subtasks.some(
      (place) => place.vertexId === vertexId && state.subtasks[place.index]?.type !== 'finished',
    ),
  )
  return { state, effects: reading.map((source) => reopen(state, source)) }
}

function reopen(state: JobMasterState, source: SourceCoordination): JobMasterEffect {
  const checkpointed = checkpointedSplits(state.restorePoint?.record, vertexOf(state, source.vertexId))
  const positions = new Map(checkpointed.map((split) => [split.id, split]))
  const known = source.splits.map(({ split }) => positions.get(split.id) ?? split)
  return { ...locateEffect(state, source), known }
}

/** A running job needs its enumerators for new splits and people's tools only. */
function openLater(
  state: JobMasterState,
  { vertexId, error }: { readonly vertexId: VertexId; readonly error: ErrorData },
): JobDecision {
  const text = `the source can not be looked at for new splits, tried again in ${reopenMs / 1000} s: ${error.message}`
  return {
    state,
    effects: [
      { type: 'log', level: 'warn', text },
      { type: 'setTimer', timer: { type: 'locateAgain', vertexId }, delayMs: reopenMs },
    ],
  }
}

export function lookForNewSplits(state: JobMasterState, vertexId: VertexId): JobDecision {
  const source = state.sources.find((candidate) => candidate.vertexId === vertexId)
  if (state.phase.type !== 'running' || source === undefined || state.draining) return unchanged(state)
  const knownIds = source.splits.map(({ split }) => split.id)
  return { state, effects: [{ type: 'discoverSplits', vertexId, knownIds }] }
}

/**
 * New splits go to the subtasks with the fewest. They keep their first position until a checkpoint has them, so that a
 * restart before that reads them from there (R18).
 */
export function splitsDiscovered(
  state: JobMasterState,
  found: { readonly vertexId: VertexId; readonly splits: readonly SourceSplit[] },
): JobDecision {
  const source = state.sources.find((candidate) => candidate.vertexId === found.vertexId)
  if (state.phase.type !== 'running' || source === undefined) return unchanged(state)
  const added = addSplits(source.splits, found.splits, source.parallelism)
  const sources = state.sources.map((old) => (old === source ? { ...old, splits: [...old.splits, ...added] } : old))
  let next: JobMasterState = { ...state, sources }
  const effects: JobMasterEffect[] = [...discoveryTimer(source.vertexId, source.discoveryIntervalMs)]
  for (const { index, subtaskIndex, vertexId } of state.facts.graph.subtasks) {
    if (vertexId !== source.vertexId) continue
    const handed = handOver(next, index, splitsFor(added, subtaskIndex))
    next = handed.state
    effects.push(...handed.effects)
  }
  return { state: next, effects }
}

function splitsFor(added: readonly AssignedSplit[], subtaskIndex: number): readonly SourceSplit[] {
  return added.filter((entry) => entry.subtaskIndex === subtaskIndex).map(({ split }) => split)
}

/** To the running attempt now, to one that is being deployed when it runs; a later one is deployed with them. */
function handOver(state: JobMasterState, subtask: number, splits: readonly SourceSplit[]): JobDecision {
  const execution = state.subtasks[subtask]
  if (splits.length === 0 || execution?.type !== 'attempt') return unchanged(state)
  if (execution.status === 'deploying') {
    const lateSplits = [...execution.lateSplits, ...splits]
    return unchanged(withSubtask(state, subtask, { ...execution, lateSplits }))
  }
  const slot = slotAddressOf(state, subtask)
  if (execution.status !== 'running' || slot === undefined) return unchanged(state)
  const message = { type: 'addSplits', attemptId: execution.attemptId, splits } as const
  return { state, effects: [{ type: 'toSlots', slots: [slot], message }] }
}
