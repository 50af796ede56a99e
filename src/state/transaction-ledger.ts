import type { AttemptId } from '../common/ids.ts'

/**
 * The transactional ids that one attempt of a sink may have used: `<idBase>0` to `<idBase><mark − 1>`. It stands in the
 * durable record of the run before the first of them is used, and until nothing of the attempt can be open any more (R15, R16).
 */
export interface TransactionLedgerEntry {
  readonly operatorUid: string
  readonly attemptId: AttemptId
  readonly idBase: string
  readonly mark: number
  /** Of the sink; undefined: only a sink with its uid can end them. */
  readonly scope?: string
}

export type TransactionLedger = readonly TransactionLedgerEntry[]
