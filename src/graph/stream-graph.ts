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
  /** As given by `.slotSharingGroup()`; undefined: that of its inputs where they agree, else `default`. */
  readonly slotSharingGroup: string | undefined
  /** Type of the main output. */
  readonly outputType: DataType<unknown>
  /** The key selector of the keyed stream that it reads; undefined for operators on plain streams. The specification of an operator with two keyed inputs has the second one. */
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
  readonly input: InputIndex
  readonly partitioner: Partitioner
  /** undefined: the main output. */
  readonly sideOutput: string | undefined
  /** Type of the records on this edge: the codec between slots comes from it. */
  readonly type: DataType<unknown>
}

/** Which of the inputs of its receiver an edge feeds; 1 only of an operator with two inputs. */
export type InputIndex = 0 | 1

export type Partitioner =
  | {
      readonly kind: 'hash'
      readonly keySelector: KeySelector<unknown, Key>
      /** The fields that the key consists of, where it was declared by their names. */
      readonly keyFields?: readonly string[]
    }
  /** `required`: it was asked for by `forward()`; else it is a rebalance between operators of different parallelism. */
  | { readonly kind: 'forward'; readonly required?: boolean }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'broadcast' }
  /** Round robin over the receivers of the sender's own group. */
  | { readonly kind: 'rescale' }
  /** To a receiver at random. */
  | { readonly kind: 'shuffle' }
  /** To the first receiver. */
  | { readonly kind: 'global' }
  | {
      readonly kind: 'custom'
      readonly partition: (key: Key, numberOfPartitions: number) => number
      readonly keySelector: KeySelector<unknown, Key>
    }
