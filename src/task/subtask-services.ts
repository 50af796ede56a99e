import type { JobId } from '../common/ids.ts'
import type { Clock } from '../common/ports.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { BlobStore } from '../state/blob-store.ts'
import type { ManagedMemory } from '../state/managed-memory.ts'
import type { BlobStoreReference, FromSlot } from './slot-protocol.ts'

/** What the subtasks of a slot use of it. */
export interface SubtaskServices {
  readonly jobId: JobId
  readonly graph: JobGraph
  readonly clock: Clock
  readonly memory: ManagedMemory
  /** Where this run's checkpoints go. */
  readonly blobStore: BlobStore
  blobStoreOf(reference: BlobStoreReference): BlobStore
  send(message: FromSlot): void
  /** The loop has something to do. */
  wake(): void
  /** Something a person should see that does not change the outcome. */
  warn(message: string): void
}
