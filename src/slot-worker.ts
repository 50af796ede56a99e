import { workerData } from 'node:worker_threads'
import { buildJob, isJob } from './api/job.ts'
import { MillraceError } from './common/errors.ts'
import { systemClock } from './common/system-ports.ts'
import { createJobGraph } from './graph/chaining.ts'
import type { JobGraph } from './graph/job-graph.ts'
import type { BlobStore } from './state/blob-store.ts'
import { FolderBlobStore } from './state/filesystem/folder-blob-store.ts'
import { MemoryBlobStore } from './state/memory-blob-store.ts'
import { importBundle } from './task/engine-modules.ts'
import type { BlobStoreReference, SlotStart, SlotThreadData } from './task/slot-protocol.ts'
import { runWorkerSlot } from './task/worker-slot.ts'

/** The entry of a slot's thread: the place where the task layer meets the API that jobs are written in. */
async function graphBuilderOf({ job }: SlotStart): Promise<() => JobGraph> {
  const definition = await importBundle(job.bundleUrl)
  if (!isJob(definition)) throw new MillraceError('MR_JOB_DEFINITION', `${job.bundleUrl}: its default export is no job`)
  return () => createJobGraph(buildJob(definition, job.arguments, job.configuration))
}

const { redis } = workerData as SlotThreadData
// A process without Redis does not load its client into each thread.
const redisBlobs = redis === undefined ? undefined : await import('./state/redis/redis-blob-store.ts')

/** A job without checkpoints has no folder, and writes no blob. */
function blobStoreOf(reference: BlobStoreReference): BlobStore {
  switch (reference.type) {
    case 'filesystem':
      return new FolderBlobStore(reference.folder)
    case 'memory':
      return new MemoryBlobStore()
    case 'redis':
      if (redis === undefined || redisBlobs === undefined) {
        throw new MillraceError('MR_INTERNAL', 'the checkpoint is in Redis, and this process was given none')
      }
      return new redisBlobs.RedisBlobStore(redis, reference.prefix, systemClock)
  }
}

await runWorkerSlot({ graphBuilderOf, blobStoreOf })
