import { MillraceError } from '../common/errors.ts'
import { parallelismOf, sourceLimit } from './resolved-graph.ts'
import type { StreamGraph, StreamNode } from './stream-graph.ts'
import { placeOf, resolveUids } from './uids.ts'

/**
 * Refuses graphs that can not run as they were meant.
 * @throws MillraceError MR_JOB_DEFINITION, naming the operator and where it was declared
 */
export function checkGraph(graph: StreamGraph): void {
  if (!graph.nodes.some((node) => node.spec.kind === 'sink')) {
    throw new MillraceError('MR_JOB_DEFINITION', `job '${graph.jobName}' has no sink: end a stream by .sinkTo(…)`)
  }
  for (const node of graph.nodes) {
    checkParallelism(node, graph)
    checkOutputs(node, graph)
    checkDelivery(node, graph)
    checkForward(node, graph)
  }
  resolveUids(graph)
}

function refuse(node: StreamNode, message: string): never {
  throw new MillraceError('MR_JOB_DEFINITION', `${placeOf(node)}: ${message}`, { operator: node.name })
}

function checkParallelism(node: StreamNode, graph: StreamGraph): void {
  const parallelism = parallelismOf(node, graph)
  const maxParallelism = node.maxParallelism ?? graph.configuration.maxParallelism
  if (parallelism > maxParallelism) {
    refuse(node, `parallelism ${parallelism} is above its max parallelism ${maxParallelism}`)
  }
  if (node.spec.kind === 'window' && node.spec.ofAll === true && parallelism > 1) {
    refuse(node, `parallelism ${parallelism}, but windows over all records of a stream are in one subtask`)
  }
  const limit = sourceLimit(node.spec)
  if (limit !== undefined && parallelism > limit) {
    refuse(
      node,
      `parallelism ${parallelism}, but its source can be read by ${limit} subtask${limit === 1 ? '' : 's'} at most`,
    )
  }
}

/** `forward()` promises that a record stays with its subtask. */
function checkForward(node: StreamNode, graph: StreamGraph): void {
  for (const { from, to, partitioner } of graph.edges) {
    const sender = graph.nodes[from]
    if (to !== node.id || sender === undefined) continue
    if (partitioner.kind !== 'forward' || partitioner.required !== true) continue
    const [before, here] = [parallelismOf(sender, graph), parallelismOf(node, graph)]
    if (before === here) continue
    refuse(node, `it reads '${sender.name}' by forward(), which has parallelism ${before}, and it has ${here}`)
  }
}

function checkOutputs(node: StreamNode, graph: StreamGraph): void {
  const outputs = graph.edges.filter((edge) => edge.from === node.id)
  if (outputs.length === 0 && node.spec.kind !== 'sink') {
    refuse(node, 'nothing reads its results: end the stream by .sinkTo(…), or remove the operator')
  }
  const own = sideOutputsOf(node)
  const known = own === 'any' ? own : [...own, ...(node.deadLetters === undefined ? [] : [node.deadLetters.tag.id])]
  for (const { sideOutput } of outputs) {
    if (sideOutput === undefined || known === 'any' || known.includes(sideOutput)) continue
    const list = known.length === 0 ? 'it has none' : `it has ${known.map((id) => `'${id}'`).join(', ')}`
    refuse(node, `it has no side output '${sideOutput}' that could be read (${list})`)
  }
}

/** Ids of the side outputs that an operator can write to; process functions may write to any. */
function sideOutputsOf({ spec }: StreamNode): readonly string[] | 'any' {
  switch (spec.kind) {
    case 'process':
    case 'keyedProcess':
    case 'coProcess':
    case 'keyedCoProcess':
    case 'intervalJoin':
    case 'broadcastProcess':
    case 'keyedBroadcastProcess':
      return 'any'
    case 'window':
      if (spec.compute.process !== undefined) return 'any'
      return spec.lateTag === undefined ? [] : [spec.lateTag.id]
    case 'source':
    case 'map':
    case 'flatMap':
    case 'filter':
    case 'timestampsAndWatermarks':
    case 'reduce':
    case 'aggregate':
    case 'async':
    case 'coMap':
    case 'coFlatMap':
    case 'sink':
      return []
    default: {
      const never: never = spec
      throw new TypeError(`unknown operator ${String(never)}`)
    }
  }
}

/** Without checkpoints an exactly-once sink publishes at the end of the job, which an unbounded job never reaches. */
function checkDelivery(node: StreamNode, graph: StreamGraph): void {
  if (node.spec.kind !== 'sink' || node.spec.sink.deliveryGuarantee !== 'exactly-once') return
  if (graph.configuration.checkpointing !== undefined) return
  const unbounded = graph.nodes.find(
    (other) => other.spec.kind === 'source' && other.spec.source.boundedness === 'continuous',
  )
  if (unbounded === undefined) return
  refuse(
    node,
    `its output is published with checkpoints, and there are none, while source '${unbounded.name}' never ends; call env.enableCheckpointing('10s') or set execution.checkpointing.interval`,
  )
}
