import type { RecordType } from '../formats/data-type.ts'
import type { RecordAggregate } from './aggregate.ts'
import type { Expression, Projection } from './expression.ts'

/** Where an operator runs, and why there, for people. */
export interface Tier {
  readonly runs: 'columns' | 'objects'
  readonly why: string
}

/** How the records of an edge travel as columns: the key, and the values that are aggregated. */
export interface EdgeColumns {
  /** Of the edge. */
  readonly record: RecordType<unknown>
  readonly keyFields: readonly string[]
  /** Over the edge's record, each once. */
  readonly values: readonly ColumnValue[]
  /** Set where the sender scans the bytes of its source, without objects. */
  readonly scan: ScanPlan | undefined
  readonly receive: ReceivePlan
}

export interface ColumnValue {
  readonly expression: Expression
  readonly nullable: boolean
}

/** A source, what filters and projects its records, and the edge behind them, as one: expressions are over the source's record. */
export interface ScanPlan {
  readonly record: RecordType<unknown>
  /** undefined: the record's own timestamp. */
  readonly timestamp: Expression | undefined
  readonly conditions: readonly Expression[]
  readonly keys: readonly Expression[]
  readonly values: readonly Expression[]
}

/** How records are combined from columns before they are sent to windows (R34): partial results travel, not records. */
export interface CombinePlan {
  /** Of the edge. */
  readonly record: RecordType<unknown>
  readonly values: readonly ColumnValue[]
  readonly scan: ScanPlan
  readonly aggregate: RecordAggregate
  /** For each result the number of its value; −1: it takes none. */
  readonly valueOf: readonly number[]
}

/** The aggregate behind the edge, and what filters and projects its results. */
export interface ReceivePlan {
  readonly aggregate: RecordAggregate
  /** For each result the number of its value among the edge's; −1: it takes none. */
  readonly valueOf: readonly number[]
  /** Of the results. */
  readonly record: RecordType<unknown>
  readonly tail: readonly TailStep[]
  /** Index in the chain of the operator whose output the tail's is. */
  readonly lastOperator: number
}

export type TailStep =
  | { readonly kind: 'where'; readonly condition: Expression }
  | { readonly kind: 'select'; readonly projection: Projection; readonly record: RecordType<unknown> }
