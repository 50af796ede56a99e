import type { CheckpointingConfiguration, JobConfiguration, RestartStrategy } from './job-configuration.ts'
import type { JobPlan, PlanEdge, PlanOperator, PlanVertex } from './job-graph.ts'
import { defaultSlotSharingGroup } from './resolved-graph.ts'

/**
 * A plan for people: vertices with their chains, parallelism, uids, types, and how they are connected.
 * @param options.relativeTo a folder: places below it are shown relative to it
 */
export function planText(plan: JobPlan, options: { readonly relativeTo?: string } = {}): string {
  const prefix = options.relativeTo === undefined ? undefined : `${options.relativeTo.replace(/\/+$/, '')}/`
  const place = (declaredAt: string): string =>
    prefix !== undefined && declaredAt.startsWith(prefix) ? declaredAt.slice(prefix.length) : declaredAt
  const columns = columnWidths(plan)
  const sections = plan.vertices.map((vertex, index) =>
    [
      `${index + 1}. ${vertex.name}`,
      `   ${vertexLine(vertex)}`,
      ...vertex.operators.map((operator) => `   - ${operatorLine(operator, columns, place)}`),
      ...plan.edges.filter((edge) => edge.fromVertex === vertex.id).map((edge) => `   => ${edgeText(edge, plan)}`),
    ].join('\n'),
  )
  return [...header(plan), ...sections.map((section) => `\n${section}`)].join('\n')
}

function header(plan: JobPlan): readonly string[] {
  const { configuration } = plan
  return [
    `job ${plan.jobName}`,
    `parallelism ${configuration.parallelism}, max parallelism ${configuration.maxParallelism}, buffer timeout ${configuration.bufferTimeoutMs} ms, watermarks every ${configuration.autoWatermarkIntervalMs} ms`,
    checkpointingText(configuration.checkpointing),
    `restart strategy: ${restartText(configuration)}`,
    `graph ${plan.hash}`,
  ]
}

function checkpointingText(checkpointing: CheckpointingConfiguration | undefined): string {
  if (checkpointing === undefined) return 'checkpoints: none'
  return `checkpoints: every ${checkpointing.intervalMs} ms, ${checkpointing.mode}, timeout ${checkpointing.timeoutMs} ms, pause of ${checkpointing.minPauseMs} ms at least, ${checkpointing.tolerableFailedCheckpoints} failures in a row tolerated, ${checkpointing.retained} retained`
}

function restartText(configuration: JobConfiguration): string {
  const strategy: RestartStrategy = configuration.restartStrategy
  switch (strategy.type) {
    case 'none':
      return 'none'
    case 'fixed-delay':
      return `fixed-delay, ${strategy.attempts} attempts, ${strategy.delayMs} ms apart`
    case 'failure-rate':
      return `failure-rate, ${strategy.maxFailuresPerInterval} failures in ${strategy.failureRateIntervalMs} ms, ${strategy.delayMs} ms apart`
    case 'exponential-delay':
      return `exponential-delay, from ${strategy.initialBackoffMs} ms to ${strategy.maxBackoffMs} ms by ${strategy.backoffMultiplier}`
    default: {
      const never: never = strategy
      throw new TypeError(`unknown restart strategy ${String(never)}`)
    }
  }
}

function vertexLine(vertex: PlanVertex): string {
  const source =
    vertex.source === undefined ? '' : `, ${vertex.source.boundedness} ${vertex.source.description.connector}`
  const group =
    vertex.slotSharingGroup === defaultSlotSharingGroup ? '' : `, slot sharing group '${vertex.slotSharingGroup}'`
  return `parallelism ${vertex.parallelism} of at most ${vertex.maxParallelism}${group}${source}`
}

interface ColumnWidths {
  readonly name: number
  readonly uid: number
}

function columnWidths(plan: JobPlan): ColumnWidths {
  const operators = plan.vertices.flatMap((vertex) => vertex.operators)
  const widest = (texts: readonly string[]): number => texts.reduce((width, text) => Math.max(width, text.length), 0)
  return { name: widest(operators.map((operator) => operator.name)), uid: widest(operators.map(uidText)) }
}

function operatorLine(operator: PlanOperator, columns: ColumnWidths, place: (declaredAt: string) => string): string {
  const output = operator.sink === undefined ? operator.outputType : sinkText(operator.sink)
  const line = `${operator.name.padEnd(columns.name)}  ${uidText(operator).padEnd(columns.uid)}  ${output}  (${place(operator.declaredAt)})`
  const tier = operator.tier === undefined ? '' : `\n     runs on ${operator.tier}`
  return `${line}${tier}${operator.warning === undefined ? '' : `\n     WARNING: ${operator.warning}`}`
}

function uidText(operator: PlanOperator): string {
  return `uid ${operator.uid}${operator.stateful ? ', stateful' : ''}`
}

function sinkText(sink: { readonly connector: string; readonly deliveryGuarantee: string }): string {
  return `${sink.connector}, ${sink.deliveryGuarantee}`
}

function edgeText(edge: PlanEdge, plan: JobPlan): string {
  const target = plan.vertices.findIndex((vertex) => vertex.id === edge.toVertex)
  const side = edge.sideOutput === undefined ? '' : `side output '${edge.sideOutput}' `
  const second = edge.input === 1 ? ', second input' : ''
  return `${side}${edge.partitioner} to ${target + 1}. ${plan.vertices[target]?.name}${second}`
}
