import type { DeadLetter, DeadLetterBudget } from '../api/dead-letters.ts'
import type { Key, KeySelector, OutputTag } from '../api/functions.ts'
import type { DataType } from '../formats/data-type.ts'
import type { JobConfiguration } from './job-configuration.ts'
import type { OperatorSpec } from './operator-spec.ts'

/** What a job's builder made: one node a transformation, before chaining. Immutable. */
export interface StreamGraph {
  readonly jobName: string
  readonly configuration: JobConfiguration
  /** In the order of declaration; a node's index is its id. */
  readonly nodes: readonly StreamNode[]
  readonly edges: readonly StreamEdge[]
}

export interface StreamNode {
  readonly id: number
  readonly spec: OperatorSpec
  readonly name: string
  /** As given by `.uid()`; else derived from name and kind (R38). */
  readonly uid: string | undefined
  readonly parallelism: number | undefined
  readonly maxParallelism: number | undefined
  /** `always`: may chain to what is before and after. `head`: starts a chain. `never`: stands alone. */
  readonly chaining: 'always' | 'head' | 'never'
  /** Type of the main output. */
  readonly outputType: DataType<unknown>
  /** The key selector of the keyed stream that it reads; undefined for operators on plain streams. */
  readonly keySelector: KeySelector<unknown, Key> | undefined
  /** Where records go that it can not process; undefined: they fail the job. */
  readonly deadLetters?: DeadLetterSpec | undefined
  /** `file:line` of the call that declared it, for errors. */
  readonly declaredAt: string
}

/** The dead-letter output of an operator. */
export interface DeadLetterSpec {
  readonly tag: OutputTag<DeadLetter>
  /** undefined: no limit. */
  readonly budget: DeadLetterBudget | undefined
}

export interface StreamEdge {
  readonly from: number
  readonly to: number
  readonly partitioner: Partitioner
  /** undefined: the main output. */
  readonly sideOutput: string | undefined
  /** Type of the records on this edge: the codec between slots comes from it. */
  readonly type: DataType<unknown>
}

export type Partitioner =
  | { readonly kind: 'forward' }
  | {
      readonly kind: 'hash'
      readonly keySelector: KeySelector<unknown, Key>
      /** The fields that the key consists of, where it was declared by their names. */
      readonly keyFields?: readonly string[]
    }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'broadcast' }
