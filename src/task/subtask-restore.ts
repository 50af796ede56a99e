import { keyGroupRange } from '../common/key-groups.ts'
import { noWatermark } from '../common/timestamps.ts'
import type { ChainedOperator, JobVertex } from '../graph/job-graph.ts'
import { isKeyed } from '../graph/operator-spec.ts'
import { KeyedStateBackend } from '../state/keyed-state-backend.ts'
import { OperatorStateBackend } from '../state/operator-state-backend.ts'
import { type OldManifest, readManifest, restoreOperator } from '../state/restore.ts'
import type { SubtaskManifest } from '../state/subtask-manifest.ts'
import type { PendingCommittables } from './operator.ts'
import type { RestoreFrom, SubtaskDeployment } from './slot-protocol.ts'
import type { SubtaskServices } from './subtask-services.ts'

/** State of one operator, restored or empty. */
export interface OperatorState {
  readonly keyedState: KeyedStateBackend | undefined
  readonly operatorState: OperatorStateBackend
  readonly committables: readonly PendingCommittables[]
  readonly watermark: number
}

export interface RestoredSubtask {
  /** By index in the vertex's operators. */
  readonly operators: readonly OperatorState[]
  /** The own manifest, where it may be the base of the next checkpoint (R1). */
  readonly baseManifest: SubtaskManifest | undefined
}

/** @throws MillraceError MR_CHECKPOINT_DAMAGED, MR_STATE_INCOMPATIBLE */
export async function restoreSubtask(
  vertex: JobVertex,
  deployment: SubtaskDeployment,
  services: SubtaskServices,
): Promise<RestoredSubtask> {
  const { restore, subtaskIndex, parallelism } = deployment
  const manifests = restore === undefined ? [] : await readManifests(restore, services)
  const operators: OperatorState[] = []
  for (const operator of vertex.operators) {
    operators.push(await restoreState(operator, { vertex, deployment, services, manifests }))
  }
  const own = manifests.find((old) => old.subtaskIndex === subtaskIndex && old.parallelism === parallelism)
  return { operators, baseManifest: restore?.ownManifestIsBase === true ? own?.manifest : undefined }
}

async function readManifests(restore: RestoreFrom, services: SubtaskServices): Promise<readonly OldManifest[]> {
  const blobStore = services.blobStoreOf(restore.blobStore)
  return Promise.all(
    restore.manifests.map(async ({ subtaskIndex, parallelism, manifest, settled = false }) => ({
      subtaskIndex,
      parallelism,
      settled,
      manifest: await readManifest(blobStore, manifest),
    })),
  )
}

interface RestoreContext {
  readonly vertex: JobVertex
  readonly deployment: SubtaskDeployment
  readonly services: SubtaskServices
  readonly manifests: readonly OldManifest[]
}

async function restoreState(operator: ChainedOperator, context: RestoreContext): Promise<OperatorState> {
  const { vertex, deployment, services, manifests } = context
  const { subtaskIndex, parallelism, restore } = deployment
  const { maxParallelism } = vertex
  const operatorState = new OperatorStateBackend(operator.name)
  const keyedState = isKeyed(operator.spec)
    ? new KeyedStateBackend({
        keyGroups: keyGroupRange(subtaskIndex, parallelism, maxParallelism),
        maxParallelism,
        memory: services.memory,
        operatorName: operator.name,
        clock: services.clock,
      })
    : undefined
  if (restore === undefined) return { keyedState, operatorState, committables: [], watermark: noWatermark }
  const restored = await restoreOperator({
    blobStore: services.blobStoreOf(restore.blobStore),
    operatorUid: operator.uid,
    operatorName: operator.name,
    checkpointId: restore.checkpointId,
    manifests,
    subtaskIndex,
    parallelism,
    maxParallelism,
    ownManifestIsBase: restore.ownManifestIsBase,
    committed: restore.committed,
    keyedState,
    operatorState,
  })
  return { keyedState, operatorState, ...restored }
}
