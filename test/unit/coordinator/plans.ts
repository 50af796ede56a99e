import type { DeliveryGuarantee } from '../../../src/api/sink.ts'
import { jobId, type VertexId, vertexId } from '../../../src/common/ids.ts'
import { type JobMasterState, type NewJob, newJobMaster } from '../../../src/coordinator/job-master/state.ts'
import type { CheckpointingConfiguration, JobConfiguration } from '../../../src/graph/job-configuration.ts'
import type { JobPlan, PlanEdge, PlanOperator, PlanSink, PlanVertex } from '../../../src/graph/job-graph.ts'

export interface VertexSketch {
  readonly name: string
  readonly parallelism: number
  readonly kind: 'source' | 'operator' | 'sink'
  /** Names of the vertices that it reads from, with the partitioner. */
  readonly reads?: Readonly<Record<string, PlanEdge['partitioner']>>
  readonly guarantee?: DeliveryGuarantee
  readonly maxParallelism?: number
  readonly slotSharingGroup?: string
}

export const checkpointing: CheckpointingConfiguration = {
  intervalMs: 1000,
  mode: 'exactly-once',
  timeoutMs: 10_000,
  minPauseMs: 0,
  tolerableFailedCheckpoints: 0,
  retained: 2,
}

export const configuration: JobConfiguration = {
  parallelism: 1,
  maxParallelism: 128,
  bufferTimeoutMs: 5,
  autoWatermarkIntervalMs: 200,
  checkpointing,
  restartStrategy: { type: 'fixed-delay', attempts: 1000, delayMs: 100 },
  cancellationTimeoutMs: 30_000,
}

export const idOf = (name: string): VertexId => vertexId(Buffer.from(name).toString('hex').padEnd(32, '0'))

/** A plan by its vertices, in topological order. */
export function planOf(sketches: readonly VertexSketch[], changes: Partial<JobConfiguration> = {}): JobPlan {
  const edges = sketches.flatMap((sketch) =>
    Object.entries(sketch.reads ?? {}).map(([from, partitioner]) => ({ from, to: sketch.name, partitioner })),
  )
  return {
    jobName: 'tested',
    hash: 'hash',
    configuration: { ...configuration, ...changes },
    vertices: sketches.map(planVertex),
    edges: edges.map(({ from, to, partitioner }, id) => ({
      id,
      fromVertex: idOf(from),
      toVertex: idOf(to),
      input: 0,
      partitioner,
      sideOutput: undefined,
    })),
  }
}

function planVertex(sketch: VertexSketch): PlanVertex {
  const { name, parallelism, kind, guarantee, maxParallelism = 128, slotSharingGroup = 'default' } = sketch
  const operator: PlanOperator = {
    uid: name,
    name,
    kind: kind === 'operator' ? 'reduce' : kind,
    stateful: true,
    outputType: 'untyped, not checked',
    declaredAt: 'job.ts:1',
    sink: kind === 'sink' ? planSink(guarantee ?? 'exactly-once') : undefined,
  }
  const source = { description: { connector: 'test', options: null }, boundedness: 'bounded' } as const
  return {
    id: idOf(name),
    name,
    parallelism,
    maxParallelism,
    slotSharingGroup,
    operators: [operator],
    source: kind === 'source' ? source : undefined,
  }
}

/** Exactly-once sinks have transactional ids (R15). */
function planSink(deliveryGuarantee: DeliveryGuarantee): PlanSink {
  const sink = { connector: 'list', deliveryGuarantee }
  return deliveryGuarantee === 'exactly-once' ? { ...sink, transactionalIdPrefix: 'tested' } : sink
}

export function jobMasterOf(plan: JobPlan, changes: Partial<NewJob> = {}): JobMasterState {
  return newJobMaster({
    jobId: jobId('a'.repeat(32)),
    token: 'token',
    plan,
    leftTransactions: [],
    blobStore: { type: 'memory', name: 'own' },
    hasCheckpointStore: true,
    restore: undefined,
    ...changes,
  })
}
