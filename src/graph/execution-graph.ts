import type { VertexId } from '../common/ids.ts'
import type { JobPlan, PlanEdge, PlanVertex } from './job-graph.ts'

/** The job plan with every vertex expanded into its subtasks: what is scheduled, deployed and restarted. Plain data, made by `executionGraph`. */
export interface ExecutionGraph {
  /** By vertex in the plan's topological order, then by subtask index. */
  readonly subtasks: readonly ExecutionSubtask[]
  /** By edge id, then sending subtask, then receiving subtask. */
  readonly channels: readonly ExecutionChannel[]
  /** What is restarted together (R13). */
  readonly regions: readonly ExecutionRegion[]
}

export interface ExecutionSubtask {
  /** Index in ExecutionGraph.subtasks. */
  readonly index: number
  readonly vertexId: VertexId
  readonly subtaskIndex: number
  readonly parallelism: number
  readonly maxParallelism: number
  /** Index in ExecutionGraph.regions. */
  readonly region: number
  /** Indices in ExecutionGraph.channels, by edge id, then sending subtask. */
  readonly inputs: readonly number[]
  /** One entry an outgoing edge, by edge id. */
  readonly outputs: readonly ExecutionOutput[]
}

export interface ExecutionOutput {
  readonly edgeId: number
  /**
   * Indices in ExecutionGraph.channels, by receiving subtask. A forward edge has one channel, to the subtask of the same
   * index; all others have one to every receiving subtask.
   */
  readonly channels: readonly number[]
}

/** A connection between two subtasks. Its id is given at deployment, since it is unique an attempt (R28). */
export interface ExecutionChannel {
  /** Index in ExecutionGraph.channels. */
  readonly index: number
  readonly edgeId: number
  /** Index of the sender in ExecutionGraph.subtasks. */
  readonly from: number
  /** Index of the receiver in ExecutionGraph.subtasks. */
  readonly to: number
}

/** Subtasks connected by pipelined channels, as Flink's PipelinedRegion: a job of forward edges alone has one a parallel slice. */
export interface ExecutionRegion {
  readonly index: number
  /** Indices in ExecutionGraph.subtasks, ascending. */
  readonly subtasks: readonly number[]
}

/** Expands a plan. The same plan always gives the same graph, so that every leader numbers subtasks alike. */
export function executionGraph(plan: JobPlan): ExecutionGraph {
  const firstSubtask = firstSubtasks(plan.vertices)
  const channels = plan.edges.flatMap((edge) => channelPairs(edge, plan, firstSubtask)).map(withIndex)
  const places = plan.vertices.flatMap((vertex) =>
    subtaskIndices(vertex).map((subtaskIndex) => ({ vertex, subtaskIndex })),
  )
  const regions = connected(places.length, channels)
  const regionOf = regionIndices(places.length, regions)
  const inputs = groupChannels(places.length, channels, (channel) => channel.to)
  const outputs = groupChannels(places.length, channels, (channel) => channel.from)
  const subtasks = places.map(({ vertex, subtaskIndex }, index) => ({
    index,
    vertexId: vertex.id,
    subtaskIndex,
    parallelism: vertex.parallelism,
    maxParallelism: vertex.maxParallelism,
    region: regionOf[index] as number,
    inputs: (inputs[index] as ExecutionChannel[]).map((channel) => channel.index),
    outputs: outputsByEdge(outputs[index] as ExecutionChannel[]),
  }))
  return { subtasks, channels, regions }
}

/** The regions of a plan (R13): every edge is pipelined, so they are the connected components of its subtasks. */
export function regions(plan: JobPlan): readonly ExecutionRegion[] {
  return executionGraph(plan).regions
}

/** The most subtasks of one vertex: the slots that a job needs, since a slot takes one subtask of each vertex. */
export function requiredSlots(plan: JobPlan): number {
  return plan.vertices.reduce((most, vertex) => Math.max(most, vertex.parallelism), 0)
}

type ChannelEnds = Omit<ExecutionChannel, 'index'>

function withIndex(ends: ChannelEnds, index: number): ExecutionChannel {
  return { index, ...ends }
}

function subtaskIndices(vertex: PlanVertex): readonly number[] {
  return Array.from({ length: vertex.parallelism }, (_, subtaskIndex) => subtaskIndex)
}

function firstSubtasks(vertices: readonly PlanVertex[]): ReadonlyMap<VertexId, number> {
  const first = new Map<VertexId, number>()
  let next = 0
  for (const vertex of vertices) {
    first.set(vertex.id, next)
    next += vertex.parallelism
  }
  return first
}

function channelPairs(edge: PlanEdge, plan: JobPlan, firstSubtask: ReadonlyMap<VertexId, number>): ChannelEnds[] {
  const senders = subtaskIndices(vertexOf(plan, edge.fromVertex))
  const receivers = subtaskIndices(vertexOf(plan, edge.toVertex))
  const fromFirst = firstSubtask.get(edge.fromVertex) ?? 0
  const toFirst = firstSubtask.get(edge.toVertex) ?? 0
  const ends = (sender: number, receiver: number): ChannelEnds => ({
    edgeId: edge.id,
    from: fromFirst + sender,
    to: toFirst + receiver,
  })
  if (edge.partitioner === 'forward') return senders.map((subtask) => ends(subtask, subtask))
  return senders.flatMap((sender) => receivers.map((receiver) => ends(sender, receiver)))
}

function vertexOf(plan: JobPlan, id: VertexId): PlanVertex {
  const vertex = plan.vertices.find((candidate) => candidate.id === id)
  if (vertex === undefined) throw new TypeError(`the plan has no vertex ${id}`)
  return vertex
}

function groupChannels(
  subtaskCount: number,
  channels: readonly ExecutionChannel[],
  subtaskOf: (channel: ExecutionChannel) => number,
): ExecutionChannel[][] {
  const groups = Array.from({ length: subtaskCount }, (): ExecutionChannel[] => [])
  for (const channel of channels) groups[subtaskOf(channel)]?.push(channel)
  return groups
}

function outputsByEdge(channels: readonly ExecutionChannel[]): ExecutionOutput[] {
  const byEdge = new Map<number, number[]>()
  for (const channel of channels) {
    const indices = byEdge.get(channel.edgeId)
    if (indices === undefined) byEdge.set(channel.edgeId, [channel.index])
    else indices.push(channel.index)
  }
  return [...byEdge].map(([edgeId, indices]) => ({ edgeId, channels: indices }))
}

/** Connected components by union-find; a region is numbered by its lowest subtask. */
function connected(subtaskCount: number, channels: readonly ExecutionChannel[]): ExecutionRegion[] {
  const parent = Array.from({ length: subtaskCount }, (_, index) => index)
  const rootOf = (subtask: number): number => {
    let root = subtask
    while (parent[root] !== root) root = parent[root] as number
    parent[subtask] = root
    return root
  }
  for (const { from, to } of channels) {
    const fromRoot = rootOf(from)
    const toRoot = rootOf(to)
    parent[Math.max(fromRoot, toRoot)] = Math.min(fromRoot, toRoot)
  }
  const members = new Map<number, number[]>()
  for (let subtask = 0; subtask < subtaskCount; subtask++) {
    const root = rootOf(subtask)
    const region = members.get(root)
    if (region === undefined) members.set(root, [subtask])
    else region.push(subtask)
  }
  return [...members.values()].map((subtasks, index) => ({ index, subtasks }))
}

function regionIndices(subtaskCount: number, all: readonly ExecutionRegion[]): readonly number[] {
  const regionOf = new Array<number>(subtaskCount).fill(0)
  for (const region of all) for (const subtask of region.subtasks) regionOf[subtask] = region.index
  return regionOf
}
