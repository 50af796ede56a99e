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
   * index; a rescale edge those to the sender's own group; all others have one to every receiving subtask.
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

/** The slots that a job needs: of each slot sharing group as many as its most parallel vertex has subtasks. */
export function requiredSlots(plan: JobPlan): number {
  return slotSharingGroups(plan).reduce((sum, { slots }) => sum + slots, 0)
}

export interface SlotSharingGroup {
  readonly name: string
  /** A slot takes one subtask of each of its vertices at most. */
  readonly slots: number
}

/** In the order of their first vertices. */
export function slotSharingGroups(plan: JobPlan): readonly SlotSharingGroup[] {
  const slots = new Map<string, number>()
  for (const { slotSharingGroup, parallelism } of plan.vertices) {
    slots.set(slotSharingGroup, Math.max(slots.get(slotSharingGroup) ?? 0, parallelism))
  }
  return [...slots].map(([name, count]) => ({ name, slots: count }))
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
  if (edge.partitioner === 'rescale') {
    return senders.flatMap((sender) =>
      receivers
        .filter((receiver) => isOfGroup(sender, senders.length, receiver, receivers.length))
        .map((receiver) => ends(sender, receiver)),
    )
  }
  return senders.flatMap((sender) => receivers.map((receiver) => ends(sender, receiver)))
}

/** Flink's pointwise distribution: the smaller side's subtasks share out the larger side's in runs, as evenly as it goes. */
function isOfGroup(sender: number, senders: number, receiver: number, receivers: number): boolean {
  if (senders >= receivers) {
    const first = Math.floor((receiver * senders) / receivers)
    return sender >= first && sender < Math.floor(((receiver + 1) * senders) / receivers)
  }
  const first = Math.ceil((sender * receivers) / senders)
  return receiver >= first && receiver < Math.ceil(((sender + 1) * receivers) / senders)
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
