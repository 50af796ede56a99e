import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { MemoryCheckpointStore } from '../../../src/state/memory-checkpoint-store.ts'
import { testBlobStore } from './blob-store-conformance.ts'
import { testCheckpointStore } from './checkpoint-store-conformance.ts'

testBlobStore('MemoryBlobStore', async () => new MemoryBlobStore())
testCheckpointStore('MemoryCheckpointStore', async () => {
  const blobStore = new MemoryBlobStore()
  return { blobStore, checkpointStore: new MemoryCheckpointStore(blobStore) }
})
