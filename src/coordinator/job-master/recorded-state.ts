import type { TransactionLedger } from '../../state/transaction-ledger.ts'
import type { Moment } from '../decision.ts'
import type { RestorePoint } from '../restore.ts'
import { type JobRecord, type RestoreReference, readRecord, shifted } from './job-record.ts'
import { type JobMasterState, newJobMaster, type RegionExecution, type SubtaskExecution } from './state.ts'

/** What the checkpoint store knows beside the record. */
export interface AdoptionFacts {
  /** The newest completed checkpoint of this run, known to be durable (R3); undefined: there is none. */
  readonly latest: RestorePoint | undefined
  /** The checkpoints that `restoreReferences` names, as far as they are still there. */
  readonly points: readonly RestorePoint[]
  readonly ledger: TransactionLedger
}

/** Checkpoints beside the newest one that a region may be restored from. */
export function restoreReferences(record: JobRecord): readonly RestoreReference[] {
  const { restored } = record.submission
  const fallbacks = record.regions.flatMap(({ fallback }) => (fallback === null ? [] : [fallback]))
  return restored === null ? fallbacks : [restored, ...fallbacks]
}

/** The job as its record has it, with nothing yet known of its attempts. */
export function stateOf(record: JobRecord, token: string, facts: AdoptionFacts, now: Moment): JobMasterState {
  const { submission, transactions } = readRecord(record)
  const { jobId, plan, blobStore, hasCheckpointStore, restored } = submission
  const { latest } = facts
  const restore = latest ?? (restored === null ? undefined : pointOf(restored, facts.points))
  const leftTransactions = transactions.ledger ?? facts.ledger
  const state = newJobMaster({ jobId, token, plan, blobStore, hasCheckpointStore, restore, leftTransactions })
  // One that completed after the record was written: what regions went back to does not matter any more.
  const isNewer = (latest?.record.id ?? 0) > record.checkpoints.newest
  return {
    ...state,
    phase: phaseOf(record, isNewer),
    draining: record.draining,
    slots: record.slots.map((slot) => slot ?? undefined),
    subtasks: record.subtasks.map(subtaskOf),
    regions: record.regions.map(
      ({ status, fallback }): RegionExecution => ({
        status,
        fallback: fallback === null || isNewer ? undefined : pointOf(fallback, facts.points),
      }),
    ),
    sources: record.sources,
    checkpoints: checkpointsOf(state, record, isNewer),
    restartState: shifted(record.restartState, now.monotonicMs - now.epochMs),
    restarts: record.restarts,
    lastFailure: record.lastFailure ?? undefined,
    restoredCommits: restoredCommitsOf(record),
    transactions: state.transactions === undefined ? undefined : { ...state.transactions, fences: transactions.fences },
    requests: record.requests,
  }
}

function phaseOf({ phase }: JobRecord, isNewer: boolean): JobMasterState['phase'] {
  const isLast = phase.type === 'suspending' && phase.stage === 'checkpoint' && isNewer
  return isLast ? { type: 'suspending', stage: 'commits' } : phase
}

function subtaskOf(subtask: JobRecord['subtasks'][number]): SubtaskExecution {
  return subtask.type === 'attempt' ? { ...subtask, lateSplits: [] } : subtask
}

function checkpointsOf(
  { checkpoints }: JobMasterState,
  { checkpoints: recorded }: JobRecord,
  isNewer: boolean,
): JobMasterState['checkpoints'] {
  if (checkpoints === undefined) return undefined
  const { completed, failed, last, incremental } = recorded
  // Commits are expected when it is known which subtasks have finished.
  return {
    ...checkpoints,
    ...{ completed, failed, incremental: incremental || isNewer },
    last: last ?? undefined,
    commits: { type: 'settled' },
  }
}

/** A mark that was being written is written again. */
function restoredCommitsOf({ restoredCommits }: JobRecord): JobMasterState['restoredCommits'] {
  if (restoredCommits.type !== 'marking') return restoredCommits
  return { type: 'waiting', checkpointId: restoredCommits.checkpointId, subtasks: [] }
}

function pointOf(
  { jobId, checkpointId, ownRun }: RestoreReference,
  points: readonly RestorePoint[],
): RestorePoint | undefined {
  return points.find(
    ({ record, ownRun: own }) => own === ownRun && record.id === checkpointId && record.jobId === jobId,
  )
}
