import type { Sink } from '../api/sink.ts'
import type { Source } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import type { StreamGraph, StreamNode } from '../graph/stream-graph.ts'

/** What stands in for a job's own sources and sinks, by the names of their operators. */
export interface ReplacedConnectors {
  readonly sources?: Readonly<Record<string, Source<never> | Source<unknown>>>
  readonly sinks?: Readonly<Record<string, Sink<never>>>
}

/**
 * The same graph with other sources and sinks.
 * @throws MillraceError MR_JOB_DEFINITION where the job has no source or sink of a name
 */
export function withReplacedConnectors(
  graph: StreamGraph,
  { sources = {}, sinks = {} }: ReplacedConnectors,
): StreamGraph {
  checkNames(graph, 'source', Object.keys(sources))
  checkNames(graph, 'sink', Object.keys(sinks))
  return { ...graph, nodes: graph.nodes.map((node) => replaced(node, { sources, sinks })) }
}

/** Names of the operators that end a stream. */
export function sinkNamesOf(graph: StreamGraph): readonly string[] {
  return namesOf(graph, 'sink')
}

function replaced(node: StreamNode, { sources, sinks }: Required<ReplacedConnectors>): StreamNode {
  const { spec } = node
  if (spec.kind === 'source') {
    const source = sources[node.name] as Source<unknown> | undefined
    return source === undefined ? node : { ...node, spec: { ...spec, source } }
  }
  if (spec.kind === 'sink') {
    const sink = sinks[node.name] as Sink<unknown> | undefined
    return sink === undefined ? node : { ...node, spec: { ...spec, sink } }
  }
  return node
}

function checkNames(graph: StreamGraph, kind: 'source' | 'sink', wanted: readonly string[]): void {
  const names = namesOf(graph, kind)
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown === undefined) return
  const list = names.map((name) => `'${name}'`).join(', ')
  throw new MillraceError('MR_JOB_DEFINITION', `job '${graph.jobName}' has no ${kind} '${unknown}'; there are ${list}`)
}

function namesOf(graph: StreamGraph, kind: 'source' | 'sink'): readonly string[] {
  return graph.nodes.filter((node) => node.spec.kind === kind).map(({ name }) => name)
}
