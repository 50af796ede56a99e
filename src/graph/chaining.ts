import { planColumns } from '../columns/planner.ts'
import { graphHash, vertexIdOf } from './graph-hash.ts'
import type { ChainedOperator, JobEdge, JobGraph, JobVertex } from './job-graph.ts'
import { compareText, type ResolvedNode, resolveGraph } from './resolved-graph.ts'
import type { StreamEdge, StreamGraph } from './stream-graph.ts'
import { shuffleCombinationOf } from './window-combining.ts'

/**
 * Chains the operators of a graph into vertices, as Flink's StreamingJobGraphGenerator. Pure and deterministic: every
 * evaluation of a bundle gives the same vertices, operators and edge numbers (R40).
 * @throws MillraceError MR_JOB_DEFINITION where uids are not unique (R38)
 */
export function createJobGraph(graph: StreamGraph): JobGraph {
  const { nodes, edges } = resolveGraph(graph)
  const byId = new Map(nodes.map((entry) => [entry.node.id, entry]))
  const chainEdges = new Set(edges.filter((edge) => isChained(edge, edges, byId)))
  const chains = collectChains(nodes, edges, chainEdges)
  const vertices = chains.map((chain) => vertexOf(chain))
  const places = placesOf(chains, vertices)
  const unplanned: JobGraph = {
    jobName: graph.jobName,
    configuration: graph.configuration,
    vertices,
    edges: jobEdges(
      edges.filter((edge) => !chainEdges.has(edge)),
      places,
    ),
    hash: graphHash(graph, nodes),
  }
  return planColumns(unplanned, (spec) => shuffleCombinationOf(spec) !== undefined)
}

/** The operators of one vertex, in topological order, and the edges between them. */
interface Chain {
  readonly members: readonly ResolvedNode[]
  readonly edges: readonly StreamEdge[]
}

/** Where an operator ended up. */
interface Place {
  readonly vertex: JobVertex
  /** Index in JobGraph.vertices. */
  readonly vertexIndex: number
  readonly operatorIndex: number
}

/** Flink's isChainable: forward, one input, same parallelism, the same slot sharing group, and neither side objects. An operator with two inputs has two edges. */
function isChained(edge: StreamEdge, edges: readonly StreamEdge[], byId: ReadonlyMap<number, ResolvedNode>): boolean {
  const from = byId.get(edge.from)
  const to = byId.get(edge.to)
  if (from === undefined || to === undefined) return false
  return (
    edge.partitioner.kind === 'forward' &&
    from.node.chaining !== 'never' &&
    to.node.chaining === 'always' &&
    from.parallelism === to.parallelism &&
    from.maxParallelism === to.maxParallelism &&
    from.slotSharingGroup === to.slotSharingGroup &&
    edges.filter((other) => other.to === edge.to).length === 1
  )
}

function collectChains(
  nodes: readonly ResolvedNode[],
  edges: readonly StreamEdge[],
  chainEdges: ReadonlySet<StreamEdge>,
): readonly Chain[] {
  const chained = new Set([...chainEdges].map((edge) => edge.to))
  const rank = new Map(nodes.map((entry, index) => [entry.node.id, index]))
  const entries = new Map(nodes.map((entry) => [entry.node.id, entry]))
  const followers = (id: number): readonly StreamEdge[] =>
    edges
      .filter((edge) => edge.from === id && chainEdges.has(edge))
      .sort((left, right) => (rank.get(left.to) ?? 0) - (rank.get(right.to) ?? 0))
  const collect = (entry: ResolvedNode, chain: { members: ResolvedNode[]; edges: StreamEdge[] }): Chain => {
    chain.members.push(entry)
    for (const edge of followers(entry.node.id)) {
      chain.edges.push(edge)
      collect(entries.get(edge.to) as ResolvedNode, chain)
    }
    return chain
  }
  return nodes.filter((entry) => !chained.has(entry.node.id)).map((head) => collect(head, { members: [], edges: [] }))
}

function vertexOf(chain: Chain): JobVertex {
  const head = chain.members[0] as ResolvedNode
  return {
    id: vertexIdOf(chain.members.map((member) => member.uid)),
    name: chainName(head, chain),
    parallelism: head.parallelism,
    maxParallelism: head.maxParallelism,
    slotSharingGroup: head.slotSharingGroup,
    operators: chain.members.map((member) => chainedOperator(member, chain)),
  }
}

function chainedOperator({ node, uid }: ResolvedNode, chain: Chain): ChainedOperator {
  const indexOf = (id: number): number => chain.members.findIndex((member) => member.node.id === id)
  return {
    uid,
    name: node.name,
    spec: node.spec,
    keySelector: node.keySelector,
    outputType: node.outputType,
    deadLetters: node.deadLetters,
    declaredAt: node.declaredAt,
    tier: undefined,
    next: chain.edges
      .filter((edge) => edge.from === node.id)
      .map((edge) => ({ operatorIndex: indexOf(edge.to), sideOutput: edge.sideOutput })),
  }
}

/** Flink's way: `Source: ads -> Filter`, and where a chain branches `Source: ads -> (Filter, Map -> Sink: print)`. */
function chainName(entry: ResolvedNode, chain: Chain): string {
  const branches = chain.edges
    .filter((edge) => edge.from === entry.node.id)
    .map((edge) => chainName(chain.members.find((member) => member.node.id === edge.to) as ResolvedNode, chain))
  const name = displayName(entry)
  if (branches.length === 0) return name
  return `${name} -> ${branches.length === 1 ? branches[0] : `(${branches.join(', ')})`}`
}

function displayName({ node }: ResolvedNode): string {
  if (node.spec.kind === 'source') return `Source: ${node.name}`
  if (node.spec.kind === 'sink') return `Sink: ${node.name}`
  return node.name
}

function placesOf(chains: readonly Chain[], vertices: readonly JobVertex[]): ReadonlyMap<number, Place> {
  const places = new Map<number, Place>()
  for (const [vertexIndex, vertex] of vertices.entries()) {
    for (const [operatorIndex, member] of (chains[vertexIndex] as Chain).members.entries()) {
      places.set(member.node.id, { vertex, vertexIndex, operatorIndex })
    }
  }
  return places
}

function jobEdges(edges: readonly StreamEdge[], places: ReadonlyMap<number, Place>): readonly JobEdge[] {
  return edges
    .map((edge) => ({ edge, from: places.get(edge.from) as Place, to: places.get(edge.to) as Place }))
    .sort(
      (left, right) =>
        left.from.vertexIndex - right.from.vertexIndex ||
        left.from.operatorIndex - right.from.operatorIndex ||
        left.to.vertexIndex - right.to.vertexIndex ||
        compareEdges(left.edge, right.edge),
    )
    .map(({ edge, from, to }, id) => ({
      id,
      fromVertex: from.vertex.id,
      fromOperator: from.operatorIndex,
      toVertex: to.vertex.id,
      input: edge.input,
      partitioner: edge.partitioner,
      sideOutput: edge.sideOutput,
      type: edge.type,
      columns: undefined,
    }))
}

/** Edges between the same two operators, as of a stream united with its own side output or with itself rebalanced. */
function compareEdges(left: StreamEdge, right: StreamEdge): number {
  return compareText(edgeText(left), edgeText(right))
}

function edgeText(edge: StreamEdge): string {
  return `${edge.input}\n${edge.sideOutput ?? ''}\n${edge.partitioner.kind}`
}
