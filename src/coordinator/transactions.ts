import type { AttemptId } from '../common/ids.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { TransactionLedger, TransactionLedgerEntry } from '../state/transaction-ledger.ts'

/** How many ids an attempt gets when it is deployed (R15). */
export const idsAtDeployment = 16

/** One fence ends what so many attempts have left, so that a failure in the middle costs little. */
const attemptsAtOnce = 4

/** Whether a sink of the job writes in transactions under ids of its own. */
export function hasTransactionalSinks(plan: JobPlan): boolean {
  return plan.vertices.some(({ operators }) => operators.some(({ sink }) => sink?.transactionalIdPrefix !== undefined))
}

/** What the leader knows of the transactional ids of a job's sinks. Plain data. */
export interface TransactionsState {
  /** Attempts that may have used ids: current ones, and those that are gone and not fenced. */
  readonly ledger: TransactionLedger
  /** Counts the changes of the ledger. */
  readonly revision: number
  /** The revision that is durable: ids of a later one may not be used yet (R3, R15). */
  readonly durable: number
  /** The revision that is being written. */
  readonly writing: number | undefined
  /** Failed writes in a row. */
  readonly failures: number
  /** Higher marks that are told when they are durable. */
  readonly grants: readonly IdGrant[]
  /** A running subtask is about to end what attempts that are gone have left open. */
  readonly fencing: Fence | undefined
  /** Numbers the fences. */
  readonly fences: number
}

export interface IdGrant {
  readonly attemptId: AttemptId
  readonly mark: number
  readonly revision: number
}

/** A running subtask of a sink. */
export interface Fencer {
  readonly attemptId: AttemptId
  readonly operatorUid: string
}

/** The fencer, and the entries that it fences. */
export interface Fence extends Fencer {
  readonly number: number
  readonly entries: TransactionLedger
}

/** @param leftover of earlier runs and processes; it is durable already */
export function newTransactions(leftover: TransactionLedger): TransactionsState {
  return {
    ledger: leftover,
    revision: 0,
    durable: 0,
    writing: undefined,
    failures: 0,
    grants: [],
    fencing: undefined,
    fences: 0,
  }
}

/** Attempts are about to be deployed: their ids have to be durable before (R15). */
export function withAttempts(state: TransactionsState, entries: TransactionLedger): TransactionsState {
  if (entries.length === 0) return state
  return { ...state, ledger: [...state.ledger, ...entries], revision: state.revision + 1 }
}

/** Everything of an attempt is committed and nothing is open: it leaves the ledger without a fence. */
export function withoutAttempt(state: TransactionsState, attemptId: AttemptId): TransactionsState {
  const ledger = state.ledger.filter((entry) => entry.attemptId !== attemptId)
  return ledger.length === state.ledger.length ? state : { ...state, ledger, revision: state.revision + 1 }
}

/** An attempt has few free ids left. */
export function idsRequested(state: TransactionsState, attemptId: AttemptId, mark: number): TransactionsState {
  const known = state.ledger.some((entry) => entry.attemptId === attemptId)
  if (!known) return state
  const ledger = state.ledger.map((entry) =>
    entry.attemptId === attemptId && entry.mark < mark ? { ...entry, mark } : entry,
  )
  const revision = state.revision + 1
  return { ...state, ledger, revision, grants: [...state.grants, { attemptId, mark, revision }] }
}

/** The ledger has changed and is not being written: it is now. undefined: there is nothing to write. */
export function beginWriting(state: TransactionsState): TransactionsState | undefined {
  if (state.writing !== undefined || state.durable === state.revision) return undefined
  return { ...state, writing: state.revision }
}

/** A revision is durable; gives the grants that may be told now. */
export function written(
  state: TransactionsState,
  revision: number,
): { readonly state: TransactionsState; readonly granted: readonly IdGrant[] } {
  if (state.writing !== revision) return { state, granted: [] }
  const granted = state.grants.filter((grant) => grant.revision <= revision)
  const grants = state.grants.filter((grant) => grant.revision > revision)
  return { state: { ...state, durable: revision, writing: undefined, failures: 0, grants }, granted }
}

/** The write gave an error. It is written again, as it is then. */
export function notWritten(state: TransactionsState, revision: number): TransactionsState {
  if (state.writing !== revision) return state
  return { ...state, writing: undefined, failures: state.failures + 1 }
}

/**
 * The next fence, where attempts are gone and a subtask that can end their transactions runs (R16). Called only when everything that
 * completed checkpoints list is committed and marked so: nobody will ever end those transactions again.
 * @param live attempts that are deployed or about to be
 * @param fencerOf a running subtask that can end what the entry's attempt has left open
 */
export function nextFence(
  state: TransactionsState,
  live: ReadonlySet<AttemptId>,
  fencerOf: (entry: TransactionLedgerEntry) => Fencer | undefined,
): Fence | undefined {
  if (state.fencing !== undefined && live.has(state.fencing.attemptId)) return undefined
  const gone = state.ledger.filter((entry) => !live.has(entry.attemptId))
  // A sink that has written elsewhere before has other entries there.
  for (const entries of Map.groupBy(gone, (entry) => `${entry.scope} ${entry.operatorUid}`).values()) {
    const fencer = fencerOf(entries[0] as TransactionLedgerEntry)
    if (fencer !== undefined) return { ...fencer, number: state.fences + 1, entries: entries.slice(0, attemptsAtOnce) }
  }
  return undefined
}

export function withFence(state: TransactionsState, fence: Fence): TransactionsState {
  return { ...state, fencing: fence, fences: fence.number }
}

/** The attempts have been gone since before the fence: nothing of theirs can be open any more, and they leave the ledger. */
export function fenced(state: TransactionsState, attemptId: AttemptId, number: number): TransactionsState {
  const { fencing } = state
  if (fencing?.number !== number || fencing.attemptId !== attemptId) return state
  const bases = new Set(fencing.entries.map(({ idBase }) => idBase))
  const ledger = state.ledger.filter(({ idBase }) => !bases.has(idBase))
  return { ...state, ledger, revision: state.revision + 1, fencing: undefined }
}

/** All ids of an entry. */
export function idsOf({ idBase, mark }: TransactionLedgerEntry): readonly string[] {
  return Array.from({ length: mark }, (_, number) => `${idBase}${number}`)
}
