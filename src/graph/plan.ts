import type { Sink } from '../api/sink.ts'
import type { DataType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import type { JobGraph, JobPlan, JobVertex, PlanOperator, PlanSink, PlanVertex } from './job-graph.ts'
import { isStateful } from './operator-spec.ts'
import { silentWindows } from './silent-windows.ts'

export { planText } from './plan-text.ts'

/** The job graph as plain data, without functions (R27). */
export function planOf(graph: JobGraph): JobPlan {
  const warnings = silentWindows(graph)
  return {
    jobName: graph.jobName,
    hash: graph.hash,
    configuration: graph.configuration,
    vertices: graph.vertices.map((vertex) => planVertex(vertex, warnings)),
    edges: graph.edges.map((edge) => ({
      id: edge.id,
      fromVertex: edge.fromVertex,
      toVertex: edge.toVertex,
      input: edge.input,
      partitioner: edge.partitioner.kind,
      sideOutput: edge.sideOutput,
    })),
  }
}

function planVertex(vertex: JobVertex, warnings: ReadonlyMap<string, string>): PlanVertex {
  const head = vertex.operators[0]?.spec
  return {
    id: vertex.id,
    name: vertex.name,
    parallelism: vertex.parallelism,
    maxParallelism: vertex.maxParallelism,
    slotSharingGroup: vertex.slotSharingGroup,
    operators: vertex.operators.map((operator) => planOperator(operator, warnings.get(operator.uid))),
    source:
      head?.kind === 'source'
        ? { description: head.source.description, boundedness: head.source.boundedness }
        : undefined,
  }
}

function planOperator(operator: JobVertex['operators'][number], warning: string | undefined): PlanOperator {
  const { spec } = operator
  const plan: PlanOperator = {
    uid: operator.uid,
    name: operator.name,
    kind: spec.kind,
    stateful: isStateful(spec),
    outputType: outputText(operator.outputType),
    declaredAt: operator.declaredAt,
    tier: operator.tier === undefined ? undefined : `${operator.tier.runs}: ${operator.tier.why}`,
    sink: spec.kind === 'sink' ? planSink(spec.sink) : undefined,
  }
  return warning === undefined ? plan : { ...plan, warning }
}

function planSink({ connector, deliveryGuarantee, transactionalIdPrefix, transactionScope }: Sink<unknown>): PlanSink {
  const sink = { connector, deliveryGuarantee }
  if (transactionalIdPrefix === undefined) return sink
  return { ...sink, transactionalIdPrefix, ...(transactionScope === undefined ? {} : { transactionScope }) }
}

/** What is untyped is only checked by whoever reads it (R39). */
function outputText(type: DataType<unknown>): string {
  return type.kind === 'untyped' ? 'untyped, not checked' : typeText(type)
}

/**
 * Where a slot's evaluation of a job differs from the client's, for MR_GRAPH_MISMATCH: one sentence that names the first
 * operator, or the first connection, that is not in both alike. undefined: the plans are of one structure.
 */
export function firstDifference(client: JobPlan, slot: JobPlan): string | undefined {
  return differentOperator(client, slot) ?? differentEdge(client, slot)
}

function differentOperator(client: JobPlan, slot: JobPlan): string | undefined {
  const ofClient = client.vertices.flatMap((vertex) => vertex.operators)
  const ofSlot = new Map(
    slot.vertices.flatMap((vertex) => vertex.operators).map((operator) => [operator.uid, operator]),
  )
  for (const operator of ofClient) {
    const other = ofSlot.get(operator.uid)
    if (other === undefined) return `${describe(operator)} is only in the client's`
    ofSlot.delete(operator.uid)
    if (operator.kind !== other.kind)
      return `${describe(operator)} is ${operator.kind} in the client's, ${other.kind} in the slot's`
    if (operator.outputType !== other.outputType) {
      return `${describe(operator)} gives ${operator.outputType} in the client's, ${other.outputType} in the slot's`
    }
  }
  for (const operator of ofSlot.values()) return `${describe(operator)} is only in the slot's`
  return undefined
}

function differentEdge(client: JobPlan, slot: JobPlan): string | undefined {
  const ofClient = edgeSentences(client)
  const ofSlot = edgeSentences(slot)
  const onlyClient = ofClient.find((sentence) => !ofSlot.includes(sentence))
  if (onlyClient !== undefined) return `${onlyClient} only in the client's`
  const onlySlot = ofSlot.find((sentence) => !ofClient.includes(sentence))
  return onlySlot === undefined ? undefined : `${onlySlot} only in the slot's`
}

function edgeSentences(plan: JobPlan): readonly string[] {
  const names = new Map(plan.vertices.map((vertex) => [vertex.id, vertex.name]))
  return plan.edges.map((edge) => {
    const side = edge.sideOutput === undefined ? '' : ` (side output '${edge.sideOutput}')`
    const second = edge.input === 1 ? 'the second input of ' : ''
    return `'${names.get(edge.fromVertex)}'${side} feeds ${second}'${names.get(edge.toVertex)}' by ${edge.partitioner}`
  })
}

function describe(operator: PlanOperator): string {
  return `operator '${operator.name}' (uid ${operator.uid}, declared at ${operator.declaredAt})`
}
