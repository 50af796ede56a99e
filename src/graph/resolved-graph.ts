import type { OperatorSpec } from './operator-spec.ts'
import type { Partitioner, StreamEdge, StreamGraph, StreamNode } from './stream-graph.ts'
import { resolveUids } from './uids.ts'

/** The StreamGraph with what was left open decided: uids, parallelism, order, and how each edge really partitions. */
export interface ResolvedGraph {
  /**
   * Topological, ties by uid. The order of declaration plays no part, so that jobs of equal hash number their vertices
   * and edges alike (R38).
   */
  readonly nodes: readonly ResolvedNode[]
  readonly edges: readonly StreamEdge[]
}

export interface ResolvedNode {
  readonly node: StreamNode
  readonly uid: string
  readonly parallelism: number
  readonly maxParallelism: number
  readonly slotSharingGroup: string
}

/** The group of operators that nobody has given one. */
export const defaultSlotSharingGroup = 'default'

/** @throws MillraceError MR_JOB_DEFINITION for uids, see resolveUids */
export function resolveGraph(graph: StreamGraph): ResolvedGraph {
  const uids = resolveUids(graph)
  const groups = slotSharingGroups(graph)
  const nodes = graph.nodes.map((node) => ({
    node,
    uid: uids[node.id] as string,
    parallelism: parallelismOf(node, graph),
    maxParallelism: node.maxParallelism ?? graph.configuration.maxParallelism,
    slotSharingGroup: groups[node.id] as string,
  }))
  const edges = graph.edges.map((edge) => ({ ...edge, partitioner: effectivePartitioner(edge, nodes, graph) }))
  return { nodes: topologicalOrder(nodes, edges), edges }
}

/** The parallelism of a node: its own, else the job's; a source that can only be read by fewer subtasks has fewer. */
export function parallelismOf(node: StreamNode, graph: StreamGraph): number {
  if (node.parallelism !== undefined) return node.parallelism
  return Math.min(graph.configuration.parallelism, sourceLimit(node.spec) ?? Number.POSITIVE_INFINITY)
}

/** How many subtasks can read a source; undefined: any number, or no source. */
export function sourceLimit(spec: OperatorSpec): number | undefined {
  return spec.kind === 'source' ? spec.source.maxParallelism : undefined
}

/** By node id. As in Flink: the node's own, else that of its inputs where they agree. */
function slotSharingGroups({ nodes, edges }: StreamGraph): readonly string[] {
  const groups: string[] = []
  // Nodes read only from nodes that were declared before them.
  for (const node of nodes) {
    const inherited = new Set(edges.filter((edge) => edge.to === node.id).map((edge) => groups[edge.from]))
    const [only] = inherited
    groups.push(node.slotSharingGroup ?? (inherited.size === 1 && only !== undefined ? only : defaultSlotSharingGroup))
  }
  return groups
}

/**
 * Flink: a forward between different parallelisms is a rebalance. A hash over one channel is a forward (DESIGN section 4);
 * the operator behind it still has its key selector.
 */
function effectivePartitioner(edge: StreamEdge, nodes: readonly ResolvedNode[], graph: StreamGraph): Partitioner {
  const from = nodes[edge.from] as ResolvedNode
  const to = nodes[edge.to] as ResolvedNode
  if (edge.partitioner.kind === 'forward' && from.parallelism !== to.parallelism) return { kind: 'rebalance' }
  const isOneChannel = from.parallelism === 1 && to.parallelism === 1
  if (edge.partitioner.kind === 'hash' && isOneChannel && !takesColumns(edge, to, graph)) return { kind: 'forward' }
  return edge.partitioner
}

/** What may run on columns gets batches of them, also over one channel. */
function takesColumns(
  { partitioner, type }: StreamEdge,
  { node: { spec } }: ResolvedNode,
  graph: StreamGraph,
): boolean {
  if (graph.configuration.columns === 'off') return false
  if (partitioner.kind !== 'hash' || partitioner.keyFields === undefined || type.kind !== 'record') return false
  return spec.kind === 'aggregate' && spec.columns !== undefined
}

/** Kahn's algorithm; of the nodes that are ready, the one with the lowest uid. */
function topologicalOrder(nodes: readonly ResolvedNode[], edges: readonly StreamEdge[]): ResolvedNode[] {
  const openInputs = nodes.map((entry) => edges.filter((edge) => edge.to === entry.node.id).length)
  const ready = nodes.filter((entry) => openInputs[entry.node.id] === 0)
  const ordered: ResolvedNode[] = []
  while (ready.length > 0) {
    ready.sort((left, right) => compareText(right.uid, left.uid))
    const next = ready.pop() as ResolvedNode
    ordered.push(next)
    for (const edge of edges) {
      if (edge.from !== next.node.id) continue
      const open = (openInputs[edge.to] as number) - 1
      openInputs[edge.to] = open
      if (open === 0) ready.push(nodes[edge.to] as ResolvedNode)
    }
  }
  return ordered
}

/** By UTF-16 units, whatever the locale. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
