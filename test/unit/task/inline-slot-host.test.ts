import { describe } from 'vitest'
import { buildJob } from '../../../src/api/job.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { InlineSlotHost } from '../../../src/task/inline-slot-host.ts'
import { turn } from '../../../src/task/turn.ts'
import numbersJob from './jobs/numbers-job.ts'
import { slotHostConformance } from './slot-host-conformance.ts'

const blobStore = new MemoryBlobStore()

describe('The inline host', { timeout: 30_000 }, () => {
  slotHostConformance({
    host: new InlineSlotHost({
      clock: systemClock,
      turn,
      graphOf: ({ job }) => createJobGraph(buildJob(numbersJob, job.arguments, job.configuration)),
      blobStoreOf: () => blobStore,
      warn: (message) => {
        throw new Error(message)
      },
    }),
    blobStore: () => ({ type: 'memory', name: 'test' }),
  })
})
