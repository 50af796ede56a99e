import { buildJob, isJob } from './api/job.ts'
import { MillraceError } from './common/errors.ts'
import { createJobGraph } from './graph/chaining.ts'
import type { JobGraph } from './graph/job-graph.ts'
import type { BlobStore } from './state/blob-store.ts'
import { FolderBlobStore } from './state/filesystem/folder-blob-store.ts'
import { MemoryBlobStore } from './state/memory-blob-store.ts'
import { importBundle } from './task/engine-modules.ts'
import type { BlobStoreReference, SlotStart } from './task/slot-protocol.ts'
import { runWorkerSlot } from './task/worker-slot.ts'

/** The entry of a slot's thread: the place where the task layer meets the API that jobs are written in. */
async function graphBuilderOf({ job }: SlotStart): Promise<() => JobGraph> {
  const definition = await importBundle(job.bundleUrl)
  if (!isJob(definition)) throw new MillraceError('MR_JOB_DEFINITION', `${job.bundleUrl}: its default export is no job`)
  return () => createJobGraph(buildJob(definition, job.arguments, job.configuration))
}

/** A job without checkpoints has no folder, and writes no blob. */
function blobStoreOf(reference: BlobStoreReference): BlobStore {
  return reference.type === 'filesystem' ? new FolderBlobStore(reference.folder) : new MemoryBlobStore()
}

await runWorkerSlot({ graphBuilderOf, blobStoreOf })
