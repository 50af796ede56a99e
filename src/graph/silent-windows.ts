import type { ChainedOperator, JobGraph, JobVertex } from './job-graph.ts'
import type { OperatorSpec } from './operator-spec.ts'

/** What is known of the watermarks behind an operator. */
interface Time {
  /** An input that never ends is among its inputs, so no last watermark comes from there. */
  readonly endless: boolean
  /** The operator that is declared without watermarks, and so keeps those behind it from ever moving. */
  readonly without: string | undefined
}

const noInput: Time = { endless: false, without: undefined }

/**
 * Windows that keep records and never give a result, by the uid of their operator, with the reason: what is declared is
 * allowed, and silent. A job over bounded sources gets a last watermark at its end, so its event-time windows fire.
 */
export function silentWindows(graph: JobGraph): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const times = new Map<string, Time>()
  for (const vertex of graph.vertices) {
    for (const [index, operator] of vertex.operators.entries()) {
      const input = timeOf(inputsOf(graph, vertex, index).map((name) => times.get(name) ?? noInput))
      const reason = reasonOf(operator.spec, input)
      if (reason !== undefined) found.set(operator.uid, reason)
      times.set(placeOf(vertex, index), behind(operator, input))
    }
  }
  return found
}

const placeOf = (vertex: JobVertex, operatorIndex: number): string => `${vertex.id}:${operatorIndex}`

/** Inside of a chain what feeds an operator, for its head what feeds the vertex. Either comes before it. */
function inputsOf(graph: JobGraph, vertex: JobVertex, operatorIndex: number): readonly string[] {
  if (operatorIndex === 0) {
    return graph.edges
      .filter(({ toVertex }) => toVertex === vertex.id)
      .map(({ fromVertex, fromOperator }) => `${fromVertex}:${fromOperator}`)
  }
  return vertex.operators.flatMap(({ next }, from) =>
    next.some((target) => target.operatorIndex === operatorIndex) ? [placeOf(vertex, from)] : [],
  )
}

/** The lowest watermark of all inputs counts, so one that never moves is enough. */
function timeOf(inputs: readonly Time[]): Time {
  return {
    endless: inputs.some(({ endless }) => endless),
    without: inputs.find(({ without }) => without !== undefined)?.without,
  }
}

function behind({ spec, name }: ChainedOperator, input: Time): Time {
  if (spec.kind !== 'source' && spec.kind !== 'timestampsAndWatermarks') return input
  const endless = spec.kind === 'source' ? spec.source.boundedness !== 'bounded' : input.endless
  const gives = spec.watermarks.createGenerator !== undefined
  return { endless, without: endless && !gives ? name : undefined }
}

function reasonOf(spec: OperatorSpec, { without }: Time): string | undefined {
  if (spec.kind !== 'window') return undefined
  if (spec.fires === 'never') {
    return 'gives no result: its trigger never fires; give it another one by .trigger(…), such as CountTrigger.of(100)'
  }
  if (spec.fires !== 'byWatermarks' || without === undefined) return undefined
  return `gives no result: it waits for watermarks, and '${without}' gives none; use WatermarkStrategy.forBoundedOutOfOrderness('5s'), or windows of processing time`
}
