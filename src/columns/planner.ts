import type { DataType, RecordType } from '../formats/data-type.ts'
import { scannedRecordType } from '../formats/json.ts'
import { typeText } from '../formats/type-text.ts'
import type { ChainedOperator, JobEdge, JobGraph, JobVertex } from '../graph/job-graph.ts'
import type { OperatorSpec, SourceSpec } from '../graph/operator-spec.ts'
import type { RecordAggregate } from './aggregate.ts'
import { checkExpression, valueKindOf, withoutNull } from './check-expression.ts'
import type { ColumnValue, CombinePlan, EdgeColumns, ReceivePlan, ScanPlan, TailStep, Tier } from './column-plan.ts'
import { type Expression, expressionText, substituted } from './expression.ts'
import { isNullableExpression } from './expression-script.ts'

/**
 * Finds the stretches of a job that can run on columns, and notes on each operator which way it runs and why. Pure: every
 * evaluation of a bundle gives the same (R40). Nothing of it is in the graph's hash, since it changes no state.
 * `isCombined` tells the windows whose records are combined before the shuffle (R34).
 */
export function planColumns(graph: JobGraph, isCombined: (spec: OperatorSpec) => boolean): JobGraph {
  if (!graph.vertices.some((vertex) => vertex.operators.some(({ spec }) => isDeclared(spec)))) return graph
  const tiers = new Map<ChainedOperator, Tier>()
  if (graph.configuration.columns === 'off') return withTiers(graph, () => objects('pipeline.columns is off'))
  const edges = graph.edges.map((edge) => ({
    ...edge,
    columns: planEdge(edge, graph, tiers),
    combine: planCombine(edge, { graph, tiers, isCombined }),
  }))
  return withTiers({ ...graph, edges }, (operator) => tiers.get(operator) ?? objects(whyObjects(operator.spec)))
}

function withTiers(graph: JobGraph, tierOf: (operator: ChainedOperator) => Tier): JobGraph {
  const vertices = graph.vertices.map((vertex) => ({
    ...vertex,
    operators: vertex.operators.map((operator) => ({ ...operator, tier: tierOf(operator) })),
  }))
  return { ...graph, vertices }
}

const columns = (why: string): Tier => ({ runs: 'columns', why })
const objects = (why: string): Tier => ({ runs: 'objects', why })

/** Whether it was declared by field names and expressions. */
function isDeclared(spec: OperatorSpec): boolean {
  switch (spec.kind) {
    case 'filter':
      return spec.where !== undefined
    case 'map':
      return spec.select !== undefined
    case 'aggregate':
      return spec.columns !== undefined
    case 'window':
      return spec.compute.kind === 'aggregate' && spec.compute.columns !== undefined
    default:
      return false
  }
}

function whyObjects(spec: OperatorSpec): string {
  switch (spec.kind) {
    case 'source':
      return 'no aggregate on columns is reached from it by where and select alone'
    case 'sink':
      return 'it gets records one by one'
    case 'window':
      return isDeclared(spec) ? 'its records are not combined before the shuffle' : 'its functions are not known'
    default:
      return isDeclared(spec) ? 'it stands between operators that run on objects' : 'its function is not known'
  }
}

function planEdge(edge: JobEdge, graph: JobGraph, tiers: Map<ChainedOperator, Tier>): EdgeColumns | undefined {
  const vertex = graph.vertices.find(({ id }) => id === edge.toVertex) as JobVertex
  const head = vertex.operators[0] as ChainedOperator
  const { spec } = head
  if (spec.kind !== 'aggregate' || spec.columns === undefined) return undefined
  const target = head.deadLetters === undefined ? targetOf(edge, graph) : 'its failures go to a dead-letter output'
  if (typeof target === 'string') {
    tiers.set(head, objects(target))
    return undefined
  }
  const { record, keyFields } = target
  const values = valuesOf(spec.columns, record)
  const scan = planScan({ edge, values, keyFields }, graph, tiers)
  tiers.set(
    head,
    columns(
      scan === undefined ? 'keys and values come as columns, made of objects' : 'keys and values come as columns',
    ),
  )
  const receive = planReceive(vertex, { aggregate: spec.columns, values }, tiers)
  return { record, keyFields, values, scan, receive }
}

interface Target {
  readonly record: RecordType<unknown>
  readonly keyFields: readonly string[]
}

/** What is needed of the edge; a text: why it can not carry columns. */
function targetOf(edge: JobEdge, graph: JobGraph): Target | string {
  if (graph.edges.filter(({ toVertex }) => toVertex === edge.toVertex).length > 1)
    return 'several streams are united in it'
  return keyedRecordOf(edge)
}

function keyedRecordOf(edge: JobEdge): Target | string {
  const { partitioner, type } = edge
  if (partitioner.kind !== 'hash' || partitioner.keyFields === undefined) return 'its key is given by a function'
  if (edge.sideOutput !== undefined) return 'it reads a side output'
  if (type.kind !== 'record')
    return 'its records are not declared: give their source a type, such as json(record({ … }))'
  const { keyFields } = partitioner
  for (const name of keyFields) {
    const field = type.fields.find((candidate) => candidate.name === name)
    if (field !== undefined && valueKindOf(field.type) === undefined) return `its key has bytes ('${name}')`
  }
  return { record: type, keyFields }
}

function valuesOf({ results }: RecordAggregate, record: RecordType<unknown>): readonly ColumnValue[] {
  const values = new Map<string, ColumnValue>()
  for (const { aggregate } of results) {
    if (aggregate.operation === 'count') continue
    const { of: expression } = aggregate
    values.set(expressionText(expression), { expression, nullable: isNullableExpression(expression, record) })
  }
  return [...values.values()]
}

/** For each result the number of its value; −1: it takes none. */
function valueNumbersOf({ results }: RecordAggregate, values: readonly ColumnValue[]): readonly number[] {
  const texts = values.map(({ expression }) => expressionText(expression))
  return results.map(({ aggregate }) =>
    aggregate.operation === 'count' ? -1 : texts.indexOf(expressionText(aggregate.of)),
  )
}

interface Planning {
  readonly graph: JobGraph
  readonly tiers: Map<ChainedOperator, Tier>
  isCombined(spec: OperatorSpec): boolean
}

/** Of windows only what goes before the shuffle is on columns: behind it there are partial results, of which there are few. */
function planCombine(edge: JobEdge, { graph, tiers, isCombined }: Planning): CombinePlan | undefined {
  const head = graph.vertices.find(({ id }) => id === edge.toVertex)?.operators[0] as ChainedOperator
  const { spec } = head
  if (spec.kind !== 'window' || spec.compute.kind !== 'aggregate' || spec.compute.columns === undefined)
    return undefined
  if (!isCombined(spec)) return undefined
  const target = head.deadLetters === undefined ? keyedRecordOf(edge) : 'its failures go to a dead-letter output'
  if (typeof target === 'string') {
    tiers.set(head, objects(target))
    return undefined
  }
  const { columns: aggregate } = spec.compute
  const { record, keyFields } = target
  const values = valuesOf(aggregate, record)
  const scan = planScan({ edge, values, keyFields }, graph, tiers)
  tiers.set(
    head,
    objects(
      `it merges partial results: records are combined ${scan === undefined ? 'as objects' : 'on columns'} before the shuffle`,
    ),
  )
  return scan === undefined
    ? undefined
    : { record, values, scan, aggregate, valueOf: valueNumbersOf(aggregate, values) }
}

// ---- the sending side ----

interface SentColumns {
  readonly edge: JobEdge
  readonly values: readonly ColumnValue[]
  readonly keyFields: readonly string[]
}

function planScan(
  { edge, values, keyFields }: SentColumns,
  graph: JobGraph,
  tiers: Map<ChainedOperator, Tier>,
): ScanPlan | undefined {
  const vertex = graph.vertices.find(({ id }) => id === edge.fromVertex) as JobVertex
  const path = pathTo(edge.fromOperator, vertex)
  const [source, ...between] = path
  const refused = (operator: ChainedOperator | undefined, why: string): undefined => {
    if (operator !== undefined) tiers.set(operator, objects(why))
    return undefined
  }
  if (source?.spec.kind !== 'source') return refused(vertex.operators[0], 'only a source can be scanned')
  const record = scannedRecord(source.spec)
  if (typeof record === 'string') return refused(source, record)
  const branched = branchOf(path, { vertex, edge, graph })
  if (branched !== undefined) return refused(branched, 'its records go several ways')
  const unknown = between.find(({ spec, deadLetters }) => !isDeclared(spec) || deadLetters !== undefined)
  if (unknown !== undefined) return refused(source, `'${unknown.name}' behind it needs objects`)
  for (const operator of path)
    tiers.set(
      operator,
      columns(operator === source ? 'its values are scanned where they lie' : 'it is part of the scan'),
    )
  const { conditions, projection } = composed(between)
  const overSource = (expression: Expression): Expression => substituted(expression, projection)
  return {
    record,
    timestamp: source.spec.watermarks.timestampExpression,
    conditions,
    keys: keyFields.map((name) => overSource({ kind: 'field', name })),
    values: values.map(({ expression }) => overSource(expression)),
  }
}

/** From the head of a chain to one of its operators. */
function pathTo(operatorIndex: number, vertex: JobVertex): readonly ChainedOperator[] {
  const operator = vertex.operators[operatorIndex] as ChainedOperator
  const before = vertex.operators.findIndex(({ next }) => next.some((step) => step.operatorIndex === operatorIndex))
  return before < 0 ? [operator] : [...pathTo(before, vertex), operator]
}

/** The first operator of the path whose records go elsewhere, too; dead letters are no records. */
function branchOf(
  path: readonly ChainedOperator[],
  { vertex, edge, graph }: { readonly vertex: JobVertex; readonly edge: JobEdge; readonly graph: JobGraph },
): ChainedOperator | undefined {
  return path.find((operator) => {
    const index = vertex.operators.indexOf(operator)
    const chained = operator.next.filter(({ sideOutput }) => sideOutput === undefined).length
    const written = graph.edges.filter(
      ({ fromVertex, fromOperator, sideOutput }) =>
        fromVertex === vertex.id && fromOperator === index && sideOutput === undefined,
    ).length
    return chained + written > 1 || (operator === path.at(-1) && written === 0) || edge.fromVertex !== vertex.id
  })
}

function scannedRecord({ source, watermarks }: SourceSpec): RecordType<unknown> | string {
  if (source.type.kind === 'untyped') return 'its records are not declared'
  if (source.valueFormat === undefined) return 'it gives decoded records, not bytes'
  const record = scannedRecordType(source.valueFormat)
  if (record === undefined) return 'only values of json(record({ … })) are scanned'
  const odd = record.fields.find(({ type }) => valueKindOf(type) === undefined)
  if (odd !== undefined) return `field '${odd.name}' is ${withoutNull(odd.type).kind}, and only scalars are scanned`
  if (watermarks.timestampOf !== undefined && watermarks.timestampExpression === undefined) {
    return "its timestamps are given by a function: withTimestamps('field') needs no objects"
  }
  if (watermarks.timestampExpression !== undefined) {
    const time = checkExpression(watermarks.timestampExpression, record)
    if ('problem' in time) return `its timestamps: ${time.problem}`
    if (valueKindOf(time.type) !== 'number') return `its timestamps are ${typeText(time.type)}, not numbers`
  }
  if (watermarks.createGenerator !== undefined && watermarks.highestTimestampOnly !== true) {
    return 'its watermark generator gets records'
  }
  return record
}

/** Conditions and projections of a chain, over the record that it begins with. */
function composed(operators: readonly ChainedOperator[]): {
  readonly conditions: readonly Expression[]
  readonly projection: ReadonlyMap<string, Expression>
} {
  const conditions: Expression[] = []
  let projection: ReadonlyMap<string, Expression> = new Map()
  for (const { spec } of operators) {
    const current = projection
    if (spec.kind === 'filter' && spec.where !== undefined) conditions.push(substituted(spec.where, current))
    if (spec.kind === 'map' && spec.select !== undefined) {
      projection = new Map(spec.select.map(({ name, expression }) => [name, substituted(expression, current)]))
    }
  }
  return { conditions, projection }
}

// ---- the receiving side ----

function planReceive(
  vertex: JobVertex,
  { aggregate, values }: { readonly aggregate: RecordAggregate; readonly values: readonly ColumnValue[] },
  tiers: Map<ChainedOperator, Tier>,
): ReceivePlan {
  const tail: TailStep[] = []
  let last = 0
  for (let next = onlyNext(vertex, last); next !== undefined; next = onlyNext(vertex, last)) {
    const operator = vertex.operators[next] as ChainedOperator
    const step = tailStep(operator)
    if (step === undefined) {
      noteSink(operator, tiers)
      break
    }
    tiers.set(operator, columns('it is part of the aggregate'))
    tail.push(step)
    last = next
  }
  return {
    aggregate,
    valueOf: valueNumbersOf(aggregate, values),
    record: recordType((vertex.operators[0] as ChainedOperator).outputType),
    tail,
    lastOperator: last,
  }
}

function noteSink(operator: ChainedOperator, tiers: Map<ChainedOperator, Tier>): void {
  if (operator.spec.kind === 'sink' && operator.spec.sink.takesColumns === true)
    tiers.set(operator, columns('it takes columns'))
}

/** The one operator that an operator's results go to, where they go nowhere else. */
function onlyNext(vertex: JobVertex, index: number): number | undefined {
  const { next } = vertex.operators[index] as ChainedOperator
  return next.length === 1 && next[0]?.sideOutput === undefined ? next[0]?.operatorIndex : undefined
}

function tailStep({ spec, outputType, deadLetters }: ChainedOperator): TailStep | undefined {
  if (deadLetters !== undefined) return undefined
  if (spec.kind === 'filter' && spec.where !== undefined) return { kind: 'where', condition: spec.where }
  if (spec.kind === 'map' && spec.select !== undefined) {
    return { kind: 'select', projection: spec.select, record: recordType(outputType) }
  }
  return undefined
}

function recordType(type: DataType<unknown>): RecordType<unknown> {
  if (type.kind !== 'record') throw new TypeError(`a record was declared, and it is ${type.kind}`)
  return type
}
