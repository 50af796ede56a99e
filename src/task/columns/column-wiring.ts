import type { ResultTarget } from '../../columns/aggregate-script.ts'
import type { EdgeColumns } from '../../columns/column-plan.ts'
import type { JobGraph, JobVertex } from '../../graph/job-graph.ts'
import type { OperatorOutputs, WrittenEdge } from '../chain-builder.ts'
import type { Operator, OperatorContext, Receiver } from '../operator.ts'
import { SinkOperator } from '../sink-operator.ts'
import { ColumnAggregateOperator } from './column-aggregate-operator.ts'
import { ColumnScan } from './column-scan.ts'

/** The columns that a vertex reads; undefined: records. */
export function columnsInto(vertex: JobVertex, graph: JobGraph): EdgeColumns | undefined {
  return graph.edges.find(({ toVertex }) => toVertex === vertex.id)?.columns
}

/** The head of a chain that reads columns, fused with what the planner has found behind it. */
export function createColumnHead(
  columns: EdgeColumns,
  context: OperatorContext,
  outputsOf: (index: number) => OperatorOutputs,
): Operator {
  const { output } = outputsOf(columns.receive.lastOperator)
  return new ColumnAggregateOperator(columns, resultTarget(output), context)
}

function resultTarget(receiver: Receiver): ResultTarget {
  return receiver instanceof SinkOperator && receiver.takesColumns
    ? { kind: 'columns', processRecordColumns: (records) => receiver.processRecordColumns(records) }
    : { kind: 'objects', processElement: (value, timestamp) => receiver.processElement(value, timestamp) }
}

/** The scan of a source whose edge it feeds directly; undefined: its records are decoded. */
export function scanOf(edges: readonly WrittenEdge[]): ColumnScan | undefined {
  for (const { edge, writer } of edges) {
    const plan = edge.columns?.scan ?? edge.combine?.scan
    if (plan !== undefined && writer.columnTargets !== undefined) {
      return new ColumnScan({ plan, targets: writer.columnTargets })
    }
  }
  return undefined
}
