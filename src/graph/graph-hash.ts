import { createHash } from 'node:crypto'
import type { AggregateFunction } from '../api/functions.ts'
import type { VertexId } from '../common/ids.ts'
import { vertexId } from '../common/ids.ts'
import { typeText } from '../formats/type-text.ts'
import { untyped } from '../formats/types.ts'
import type { OperatorSpec, WindowComputation, WindowSpec } from './operator-spec.ts'
import { compareText, type ResolvedNode } from './resolved-graph.ts'
import type { StreamGraph } from './stream-graph.ts'

/**
 * SHA-256 of a graph's structure: uids, kinds, declared types, and which output feeds which operator how. Left out are
 * parallelism, function text, names, settings, and the order of declaration (R38): what may differ between a
 * checkpoint and the job that restores it. Computed before chaining, since chains depend on the parallelism.
 */
export function graphHash(graph: StreamGraph, nodes: readonly ResolvedNode[]): string {
  const uids = new Map(nodes.map((entry) => [entry.node.id, entry.uid]))
  const operators = nodes.map(({ node, uid }) =>
    JSON.stringify(['operator', uid, ...specIdentity(node.spec), typeText(node.outputType)]),
  )
  const edges = graph.edges.map((edge) =>
    JSON.stringify([
      'edge',
      uids.get(edge.from),
      edge.sideOutput ?? null,
      uids.get(edge.to),
      edge.partitioner.kind,
      typeText(edge.type),
      // Left out for the first one, so that graphs without second inputs keep the hash that they had.
      ...(edge.input === 0 ? [] : [edge.input]),
    ]),
  )
  return sha256([...operators, ...edges].sort(compareText).join('\n'))
}

/** First 32 hexadecimal digits of the SHA-256 of the uids of a vertex's operators. */
export function vertexIdOf(uids: readonly string[]): VertexId {
  return vertexId(sha256(JSON.stringify(uids)).slice(0, 32))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Kind and declared state types of an operator. */
function specIdentity(spec: OperatorSpec): readonly string[] {
  switch (spec.kind) {
    case 'source':
      return [spec.kind, spec.source.description.connector]
    case 'sink':
      return [spec.kind, spec.sink.connector]
    case 'reduce':
      return [spec.kind, typeText(spec.type)]
    case 'aggregate':
      return [spec.kind, accumulatorText(spec.aggregate)]
    case 'window':
      return [spec.kind, spec.assigner.kind, spec.compute.kind, windowStateText(spec.compute), ...generalWindow(spec)]
    case 'map':
    case 'flatMap':
    case 'filter':
    case 'timestampsAndWatermarks':
    case 'process':
    case 'keyedProcess':
    case 'async':
    case 'coMap':
    case 'coFlatMap':
    case 'coProcess':
    case 'keyedCoProcess':
      return [spec.kind]
    case 'broadcastProcess':
    case 'keyedBroadcastProcess':
      return [spec.kind, ...spec.states.flatMap(({ name, type }) => [name, typeText(type)])]
    case 'intervalJoin':
      return [spec.kind, typeText(spec.leftType), typeText(spec.rightType)]
    default: {
      const never: never = spec
      throw new TypeError(`unknown operator ${String(never)}`)
    }
  }
}

/** What is said of windows besides, where anything is: plain ones keep the hash that they have had. */
function generalWindow({ assigner, trigger, evictor }: WindowSpec): readonly string[] {
  return [
    ...(assigner.kind === 'processingTime' ? [assigner.windows.kind] : []),
    ...(assigner.kind === 'dynamicSession' ? [assigner.timeDomain] : []),
    ...(trigger === undefined ? [] : ['trigger']),
    ...(evictor === undefined ? [] : ['evictor']),
  ]
}

function windowStateText(compute: WindowComputation): string {
  return compute.kind === 'aggregate' ? accumulatorText(compute.aggregate) : typeText(compute.type)
}

function accumulatorText(aggregate: AggregateFunction<unknown, unknown, unknown>): string {
  return typeText(aggregate.accumulatorType ?? untyped())
}
