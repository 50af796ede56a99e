import type { ErrorData } from '../../common/errors.ts'
import { type AttemptId, attemptId, type CheckpointId } from '../../common/ids.ts'
import { transactionalIdBase } from '../../common/transactional-ids.ts'
import type { TransactionLedgerEntry } from '../../state/transaction-ledger.ts'
import { type Decision, type Moment, unchanged } from '../decision.ts'
import {
  beginWriting,
  type Fencer,
  fenced,
  idsAtDeployment,
  idsOf,
  idsRequested,
  nextFence,
  notWritten,
  type TransactionsState,
  withAttempts,
  withFence,
  withoutAttempt,
  written,
} from '../transactions.ts'
import { failJob } from './ending.ts'
import type { AttemptEvent, JobMasterEffect } from './messages.ts'
import type { JobMasterState, Reservation } from './state.ts'
import { slotAddressOf, subtasksOfRegion } from './subtasks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

const retryMs = 500
/** Writes of the ledger that fail in a row before the job does. */
const toleratedFailures = 20

// ---- before attempts are deployed ----

/** The attempts that a region may be deployed as: their ids are durable, or it needs none (R15). */
export function reservationOf(state: JobMasterState, region: number): Reservation | undefined {
  const reservation = state.reservations.find((candidate) => candidate.region === region)
  const durable = state.transactions?.durable ?? 0
  return reservation !== undefined && reservation.revision <= durable ? reservation : undefined
}

export function needsReservation(state: JobMasterState, region: number): boolean {
  if (state.transactions === undefined || reservationOf(state, region) !== undefined) return false
  return subtasksOfRegion(state, region).some((subtask) => entriesOf(state, subtask, attemptId('')).length > 0)
}

/** Mints the attempts of a region ahead, and puts their ids into the ledger. */
export function reserve(state: JobMasterState, region: number): JobMasterState {
  const { transactions } = state
  if (transactions === undefined || state.reservations.some((reservation) => reservation.region === region))
    return state
  const subtasks = subtasksOfRegion(state, region)
  const attempts = subtasks.map((subtask, offset) => ({
    subtask,
    attemptId: attemptId(`${state.facts.token}-${state.attemptsMinted + offset + 1}`),
  }))
  const entries = attempts.flatMap((attempt) => entriesOf(state, attempt.subtask, attempt.attemptId))
  const next = withAttempts(transactions, entries)
  const reservation = { region, attempts, revision: next.revision }
  return {
    ...state,
    attemptsMinted: state.attemptsMinted + subtasks.length,
    transactions: next,
    reservations: [...state.reservations, reservation],
  }
}

/** The region is deployed: what was reserved for it is used, or not needed. */
export function withoutReservation(state: JobMasterState, region: number): JobMasterState {
  return { ...state, reservations: state.reservations.filter((reservation) => reservation.region !== region) }
}

function entriesOf(state: JobMasterState, subtask: number, attempt: AttemptId): readonly TransactionLedgerEntry[] {
  const vertexId = state.facts.graph.subtasks[subtask]?.vertexId
  const vertex = state.facts.plan.vertices.find(({ id }) => id === vertexId)
  return (vertex?.operators ?? []).flatMap(({ uid, sink }) => {
    if (sink?.transactionalIdPrefix === undefined) return []
    const idBase = transactionalIdBase(sink.transactionalIdPrefix, uid, attempt)
    const entry = { operatorUid: uid, attemptId: attempt, idBase, mark: idsAtDeployment }
    return [sink.transactionScope === undefined ? entry : { ...entry, scope: sink.transactionScope }]
  })
}

// ---- the durable ledger ----

/** Writes the ledger where it has changed; one write at a time. Without a store nothing outlives the job anyway. */
export function recordLedger(state: JobMasterState): JobDecision {
  const { transactions } = state
  if (transactions === undefined || state.ledgerHeldBack || state.phase.type === 'ended') return unchanged(state)
  const writing = beginWriting(transactions)
  if (writing === undefined) return unchanged(state)
  const next = { ...state, transactions: writing }
  if (state.facts.checkpointing === undefined) return ledgerRecorded(next, writing.revision)
  return {
    state: next,
    effects: [{ type: 'recordTransactions', revision: writing.revision, ledger: writing.ledger }],
  }
}

export function ledgerRecorded(state: JobMasterState, revision: number): JobDecision {
  if (state.transactions === undefined) return unchanged(state)
  const { state: transactions, granted } = written(state.transactions, revision)
  const effects = granted.flatMap(({ attemptId, mark }) =>
    toAttempt(state, attemptId, { type: 'transactionalIdsGranted', attemptId, mark }),
  )
  return { state: { ...state, transactions }, effects }
}

export function ledgerNotRecorded(
  state: JobMasterState,
  failure: { readonly revision: number; readonly error: ErrorData },
  now: Moment,
): JobDecision {
  if (state.transactions === undefined) return unchanged(state)
  const transactions = notWritten(state.transactions, failure.revision)
  const next = { ...state, transactions, ledgerHeldBack: true, lastFailure: failure.error }
  if (transactions.failures > toleratedFailures) return failJob(next, failure.error, now)
  return { state: next, effects: [{ type: 'setTimer', timer: { type: 'ledgerRetry' }, delayMs: retryMs }] }
}

// ---- what attempts report ----

export function transactionEvent(
  state: JobMasterState,
  event: Extract<AttemptEvent, { readonly type: 'transactionalIdsRequested' | 'transactionsFenced' }>,
): JobDecision {
  return unchanged(
    withTransactions(state, (transactions) =>
      event.type === 'transactionsFenced'
        ? fenced(transactions, event.attemptId, event.fence)
        : idsRequested(transactions, event.attemptId, event.mark),
    ),
  )
}

/** It has committed everything and written nothing since: no transaction of it is open. */
export function transactionsFinished(state: JobMasterState, attempt: AttemptId): JobMasterState {
  return withTransactions(state, (transactions) => withoutAttempt(transactions, attempt))
}

// ---- what the restored checkpoint of another run lists ----

/** A subtask has committed what it restored; with the last one the record is marked in its own store (R17). */
export function restoredCommitted(state: JobMasterState, subtask: number, checkpointId: CheckpointId): JobMasterState {
  const { restoredCommits } = state
  if (restoredCommits.type !== 'waiting' || restoredCommits.checkpointId !== checkpointId) return state
  const subtasks = restoredCommits.subtasks.filter((other) => other !== subtask)
  return { ...state, restoredCommits: { type: 'waiting', checkpointId, subtasks } }
}

export function markRestored(state: JobMasterState): JobDecision {
  const { restoredCommits } = state
  if (restoredCommits.type !== 'waiting' || restoredCommits.subtasks.length > 0 || state.ledgerHeldBack) {
    return unchanged(state)
  }
  const { checkpointId } = restoredCommits
  return {
    state: { ...state, restoredCommits: { type: 'marking', checkpointId } },
    effects: [{ type: 'markRestoredCommitted', checkpointId }],
  }
}

/** @param error undefined: it is marked */
export function restoredMarked(state: JobMasterState, error: ErrorData | undefined): JobDecision {
  const { restoredCommits } = state
  if (restoredCommits.type !== 'marking') return unchanged(state)
  if (error === undefined) return unchanged({ ...state, restoredCommits: { type: 'settled' } })
  const { checkpointId } = restoredCommits
  return {
    state: {
      ...state,
      restoredCommits: { type: 'waiting', checkpointId, subtasks: [] },
      ledgerHeldBack: true,
      lastFailure: error,
    },
    effects: [{ type: 'setTimer', timer: { type: 'ledgerRetry' }, delayMs: retryMs }],
  }
}

// ---- ending what lost attempts have left open ----

/**
 * Names a running subtask to fence the attempts that are gone (R16): when all regions run, and all that completed
 * checkpoints list is committed and marked so. From then on nobody ends a transaction of those attempts any more, so ids
 * need not be told apart by whether a checkpoint lists them. A replacement runs only after the thread of its
 * predecessor has ended or its writer has stopped beginning anything.
 */
export function fenceIfDue(state: JobMasterState): JobDecision {
  const { transactions } = state
  if (transactions === undefined || !mayFence(state)) return unchanged(state)
  const live = new Set<AttemptId>([
    ...state.subtasks.flatMap((subtask) => (subtask.type === 'attempt' ? [subtask.attemptId] : [])),
    ...state.reservations.flatMap(({ attempts }) => attempts.map((attempt) => attempt.attemptId)),
  ])
  const fence = nextFence(transactions, live, (entry) => fencerOf(state, entry))
  if (fence === undefined) return unchanged(state)
  const { attemptId, operatorUid, number, entries } = fence
  const transactionalIds = entries.flatMap(idsOf)
  return {
    state: { ...state, transactions: withFence(transactions, fence) },
    effects: toAttempt(state, attemptId, {
      type: 'fenceTransactions',
      attemptId,
      operatorUid,
      fence: number,
      transactionalIds,
    }),
  }
}

function mayFence(state: JobMasterState): boolean {
  if (state.phase.type !== 'running' || state.restoredCommits.type !== 'settled') return false
  if (state.checkpoints !== undefined && state.checkpoints.commits.type !== 'settled') return false
  return state.regions.every(({ status }) => status.type === 'running' || status.type === 'finished')
}

/**
 * A subtask of the same sink; where the job does not have that sink any more, of another one that has its prefix and
 * writes to the same system: nobody else would end them before the transaction timeout.
 */
function fencerOf(state: JobMasterState, { operatorUid, idBase, scope }: TransactionLedgerEntry): Fencer | undefined {
  const operators = state.facts.plan.vertices.flatMap((vertex) => vertex.operators)
  const own = operators.filter(({ uid }) => uid === operatorUid)
  const others = operators.filter(({ sink }) => {
    const prefix = sink?.transactionalIdPrefix
    return prefix !== undefined && idBase.startsWith(`${prefix}-${operatorUid}-`) && sink?.transactionScope === scope
  })
  for (const { uid } of own.length > 0 ? own : scope === undefined ? [] : others) {
    const attempt = runningAttemptOf(state, uid)
    if (attempt !== undefined) return { attemptId: attempt, operatorUid: uid }
  }
  return undefined
}

function runningAttemptOf(state: JobMasterState, operatorUid: string): AttemptId | undefined {
  const vertex = state.facts.plan.vertices.find(({ operators }) => operators.some(({ uid }) => uid === operatorUid))
  for (const [index, subtask] of state.subtasks.entries()) {
    if (state.facts.graph.subtasks[index]?.vertexId !== vertex?.id) continue
    if (subtask.type !== 'attempt') continue
    if (subtask.status === 'running' || subtask.status === 'ended') return subtask.attemptId
  }
  return undefined
}

function toAttempt(
  state: JobMasterState,
  attempt: AttemptId,
  message: Extract<JobMasterEffect, { readonly type: 'toSlots' }>['message'],
): readonly JobMasterEffect[] {
  const index = state.subtasks.findIndex((subtask) => subtask.type === 'attempt' && subtask.attemptId === attempt)
  const slot = slotAddressOf(state, index)
  return slot === undefined ? [] : [{ type: 'toSlots', slots: [slot], message }]
}

function withTransactions(
  state: JobMasterState,
  change: (transactions: TransactionsState) => TransactionsState,
): JobMasterState {
  return state.transactions === undefined ? state : { ...state, transactions: change(state.transactions) }
}
