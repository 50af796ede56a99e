import { MillraceError } from '../common/errors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { firstDifference, planOf } from '../graph/plan.ts'
import type { SlotStart } from './slot-protocol.ts'

/**
 * Every evaluation of a bundle must build the graph that the client submitted (R38, R40).
 * @throws MillraceError MR_GRAPH_MISMATCH
 */
export function checkedGraph(graph: JobGraph, start: SlotStart): JobGraph {
  if (graph.hash === start.plan.hash) return graph
  const difference = firstDifference(start.plan, planOf(graph)) ?? `${start.plan.hash} and ${graph.hash}`
  throw new MillraceError(
    'MR_GRAPH_MISMATCH',
    `slot ${start.slotIndex} built another graph of job '${graph.jobName}' than the client: ${difference}; the job file must build the same operators each time that it is evaluated`,
  )
}
