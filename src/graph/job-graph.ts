import type { DeliveryGuarantee } from '../api/sink.ts'
import type { SourceDescription } from '../api/source.ts'
import type { CombinePlan, EdgeColumns, Tier } from '../columns/column-plan.ts'
import type { VertexId } from '../common/ids.ts'
import type { DataType } from '../formats/data-type.ts'
import type { JobConfiguration } from './job-configuration.ts'
import type { OperatorKind, OperatorSpec } from './operator-spec.ts'
import type { InputIndex, Partitioner, StreamNode } from './stream-graph.ts'

/** The graph after chaining: what slots execute. Made from the StreamGraph by a pure function, so every evaluation of a bundle gives the same (R40). */
export interface JobGraph {
  readonly jobName: string
  readonly configuration: JobConfiguration
  /** In topological order. */
  readonly vertices: readonly JobVertex[]
  readonly edges: readonly JobEdge[]
  /** SHA-256 of structure, uids, kinds and declared types; parallelism and function text are left out (R38). */
  readonly hash: string
}

export interface JobVertex {
  readonly id: VertexId
  /** Names of the chained operators, joined by ' -> '. */
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  /** A slot takes subtasks of one group only. */
  readonly slotSharingGroup: string
  /** The chain in topological order; the first is its head (a source, or the operator that reads the inputs). */
  readonly operators: readonly ChainedOperator[]
}

export interface ChainedOperator {
  readonly uid: string
  readonly name: string
  readonly spec: OperatorSpec
  readonly keySelector: StreamNode['keySelector']
  readonly outputType: DataType<unknown>
  readonly deadLetters?: StreamNode['deadLetters']
  readonly declaredAt: string
  /** Whether it runs on columns, and why; undefined in jobs that declare nothing by field names and expressions. */
  readonly tier: Tier | undefined
  /** Where its output goes inside the chain. */
  readonly next: readonly { readonly operatorIndex: number; readonly sideOutput: string | undefined }[]
}

export interface JobEdge {
  /** Index in JobGraph.edges. */
  readonly id: number
  readonly fromVertex: VertexId
  /** Operator of the chain whose output it carries. */
  readonly fromOperator: number
  readonly toVertex: VertexId
  readonly input: InputIndex
  readonly partitioner: Partitioner
  readonly sideOutput: string | undefined
  readonly type: DataType<unknown>
  /** Set where its records travel as columns, made by the planner. */
  readonly columns: EdgeColumns | undefined
  /** Set where its records are scanned and combined on columns before they are sent, made by the planner. */
  readonly combine?: CombinePlan | undefined
}

/** The job graph as plain data: what a leader works on (R27), what `plan --json` prints. No functions. */
export interface JobPlan {
  readonly jobName: string
  readonly hash: string
  readonly configuration: JobConfiguration
  readonly vertices: readonly PlanVertex[]
  readonly edges: readonly PlanEdge[]
}

export interface PlanVertex {
  readonly id: VertexId
  readonly name: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly slotSharingGroup: string
  readonly operators: readonly PlanOperator[]
  /** Set for a vertex whose head is a source. */
  readonly source:
    | { readonly description: SourceDescription; readonly boundedness: 'bounded' | 'continuous' }
    | undefined
}

export interface PlanOperator {
  readonly uid: string
  readonly name: string
  readonly kind: OperatorKind
  readonly stateful: boolean
  /** Text of the output's type, `untyped, not checked` where nothing was declared (R39). */
  readonly outputType: string
  readonly declaredAt: string
  /** Such as `objects: its function is not known to the planner`. */
  readonly tier?: string | undefined
  /** What is allowed, and hardly meant; left out: nothing. */
  readonly warning?: string
  readonly sink: PlanSink | undefined
}

export interface PlanSink {
  readonly connector: string
  readonly deliveryGuarantee: DeliveryGuarantee
  /** Start of its transactional ids, where it has any (R15). */
  readonly transactionalIdPrefix?: string
  /** Sinks of one prefix and scope can end each other's transactions (R16). */
  readonly transactionScope?: string
}

export interface PlanEdge {
  readonly id: number
  readonly fromVertex: VertexId
  readonly toVertex: VertexId
  readonly input: InputIndex
  readonly partitioner: Partitioner['kind']
  readonly sideOutput: string | undefined
}
