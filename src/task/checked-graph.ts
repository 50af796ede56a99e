import { MillraceError } from '../common/errors.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { SlotStart } from './slot-protocol.ts'

/**
 * Every evaluation of a bundle must build the graph that the client submitted (R38, R40).
 * @throws MillraceError MR_GRAPH_MISMATCH
 */
export function checkedGraph(graph: JobGraph, start: SlotStart): JobGraph {
  if (graph.hash === start.graphHash) return graph
  throw new MillraceError(
    'MR_GRAPH_MISMATCH',
    `slot ${start.slotIndex} built another graph of job '${graph.jobName}' than the client (${graph.hash} and ${start.graphHash}): the job file must build the same operators each time that it is evaluated`,
  )
}
