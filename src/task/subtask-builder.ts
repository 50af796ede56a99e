import { MillraceError } from '../common/errors.ts'
import type { AttemptId } from '../common/ids.ts'
import type { ChainedOperator, JobVertex } from '../graph/job-graph.ts'
import { secondKeySelectorOf } from '../graph/operator-spec.ts'
import { SubtaskSnapshots } from '../state/subtask-snapshots.ts'
import type { Chain } from './chain.ts'
import { buildChain, type OperatorOutputs, type WrittenEdge } from './chain-builder.ts'
import { columnsInto, createColumnHead, scanOf } from './columns/column-wiring.ts'
import { createChainedOperator, deadLettersOf, SourcePlace } from './dead-letter-wiring.ts'
import { GateInput, type GateReceiver } from './gate-input.ts'
import type { InputChannel } from './input-channel.ts'
import type { Operator, OperatorContext, OperatorMetrics } from './operator.ts'
import type { SubtaskDeployment } from './slot-protocol.ts'
import { SourceInput } from './source-input.ts'
import { SubtaskCheckpoints } from './subtask-checkpoints.ts'
import type { OperatorState, RestoredSubtask } from './subtask-restore.ts'
import type { SubtaskServices } from './subtask-services.ts'
import type { TaskInput } from './task-input.ts'

/** The channels of a subtask, connected when it was deployed. */
export interface SubtaskChannels {
  readonly inputs: readonly InputChannel[]
  readonly edges: readonly WrittenEdge[]
}

export interface SubtaskParts {
  readonly vertex: JobVertex
  readonly deployment: SubtaskDeployment
  readonly channels: SubtaskChannels
  readonly services: SubtaskServices
  readonly restored: RestoredSubtask
  /** Told of each thing as it is opened, so that it is closed where what follows can not be made. */
  opened(close: () => Promise<void>): void
  fail(error: unknown): void
}

/** The chain of a subtask, before its functions are opened and its input is read. */
export interface BuiltSubtask {
  readonly chain: Chain
  readonly checkpoints: SubtaskCheckpoints
  readonly metrics: readonly OperatorMetrics[]
  /** Called when everything is restored and committed: a source's reader begins to fetch. */
  createInput(): TaskInput
}

export function buildSubtask(parts: SubtaskParts): BuiltSubtask {
  const { vertex, deployment, channels, services } = parts
  const metrics = vertex.operators.map(
    (): OperatorMetrics => ({ recordsIn: 0, recordsOut: 0, lateRecordsDropped: 0, deadLetters: 0 }),
  )
  const sourcePlace = new SourcePlace()
  const { chain, headOutputs } = buildChain({
    vertex,
    edges: channels.edges,
    createOperator: (index, outputs, outputsOf) =>
      operatorOf(parts, { index, outputs, outputsOf, metrics: metrics[index] as OperatorMetrics, sourcePlace }),
  })
  const { attemptId } = deployment
  return {
    chain,
    checkpoints: new SubtaskCheckpoints(attemptId, chain, snapshotsOf(parts, attemptId), services),
    metrics,
    createInput: () =>
      inputOf(parts, chain, { outputs: headOutputs, metrics: metrics[0] as OperatorMetrics, sourcePlace }),
  }
}

interface HeadPlace {
  readonly outputs: OperatorOutputs
  readonly metrics: OperatorMetrics
  readonly sourcePlace: SourcePlace
}

interface OperatorPlace extends HeadPlace {
  readonly index: number
  outputsOf(index: number): OperatorOutputs
}

function operatorOf(parts: SubtaskParts, place: OperatorPlace): Operator {
  const { vertex, deployment, services, restored } = parts
  const chained = vertex.operators[place.index] as ChainedOperator
  const state = restored.operators[place.index] as OperatorState
  const context: OperatorContext = {
    jobName: services.graph.jobName,
    operatorName: chained.name,
    operatorUid: chained.uid,
    attemptId: deployment.attemptId,
    subtaskIndex: deployment.subtaskIndex,
    parallelism: deployment.parallelism,
    maxParallelism: vertex.maxParallelism,
    clock: services.clock,
    checkpointing: services.graph.configuration.checkpointing,
    transactionalIds: { mark: deployment.transactionalIds, request: (mark) => requestIds(parts, mark) },
    autoWatermarkIntervalMs: services.graph.configuration.autoWatermarkIntervalMs,
    output: place.outputs.output,
    sideOutput: (tagId) => place.outputs.sideOutput(tagId),
    keySelector: chained.keySelector,
    keyedState: state.keyedState,
    operatorState: state.operatorState,
    restoredCommittables: state.committables,
    restoredWatermark: state.watermark,
    metrics: place.metrics,
    wake: () => services.wake(),
    fail: (error) => parts.fail(error),
  }
  const columns = place.index === 0 ? columnsInto(vertex, services.graph) : undefined
  const operator =
    columns === undefined
      ? createChainedOperator(chained, context, place.outputs, place.sourcePlace)
      : createColumnHead(columns, context, place.outputsOf)
  parts.opened(() => operator.dispose())
  return operator
}

function requestIds({ deployment: { attemptId }, services }: SubtaskParts, mark: number): void {
  services.send({ type: 'transactionalIdsRequested', attemptId, mark })
}

function snapshotsOf({ vertex, deployment, services, restored }: SubtaskParts, attemptId: AttemptId): SubtaskSnapshots {
  return new SubtaskSnapshots({
    blobStore: services.blobStore,
    jobId: services.jobId,
    vertexId: deployment.vertexId,
    attemptId,
    subtaskIndex: deployment.subtaskIndex,
    parallelism: deployment.parallelism,
    maxParallelism: vertex.maxParallelism,
    baseManifest: restored.baseManifest,
  })
}

function inputOf(parts: SubtaskParts, chain: Chain, { outputs, metrics, sourcePlace }: HeadPlace): TaskInput {
  const { vertex, deployment, channels, services } = parts
  const { configuration } = services.graph
  const head = vertex.operators[0] as ChainedOperator
  if (head.spec.kind !== 'source') {
    return new GateInput({
      channels: channels.inputs,
      mode: configuration.checkpointing?.mode ?? 'exactly-once',
      clock: services.clock,
      receivers: receiversOf(parts, chain.nodes[0]?.operator as Operator),
      headName: head.name,
    })
  }
  const input = new SourceInput({
    opened: (reader) => parts.opened(() => reader.close()),
    spec: head.spec,
    operatorName: head.name,
    subtaskIndex: deployment.subtaskIndex,
    parallelism: deployment.parallelism,
    splits: deployment.splits,
    noMoreSplits: deployment.noMoreSplits,
    receiver: outputs.output,
    scan: scanOf(channels.edges),
    deadLetters: deadLettersOf(head, outputs, metrics),
    metrics,
    autoWatermarkIntervalMs: configuration.autoWatermarkIntervalMs,
    clock: services.clock,
    wake: () => services.wake(),
    fail: (error) => parts.fail(error),
    onActive: () => chain.inputStatus('active'),
  })
  sourcePlace.recordOf = () => input.currentRecord()
  return input
}

/** By channel. */
function receiversOf({ vertex, deployment, services }: SubtaskParts, operator: Operator): readonly GateReceiver[] {
  const head = vertex.operators[0] as ChainedOperator
  const first = { input: operator, keySelector: head.keySelector }
  const { secondInput } = operator
  const second =
    secondInput === undefined ? undefined : { input: secondInput, keySelector: secondKeySelectorOf(head.spec) }
  return deployment.inputs.map(({ edgeId }) => {
    if (services.graph.edges[edgeId]?.input !== 1) return first
    if (second === undefined) throw new MillraceError('MR_INTERNAL', `operator "${head.name}" has no second input`)
    return second
  })
}
