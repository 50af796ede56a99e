import { WorkerSlotHost } from '../../../src/task/worker-slot-host.ts'
import { slotHostConformance } from './slot-host-conformance.ts'

slotHostConformance({
  host: new WorkerSlotHost(),
  blobStore: (folder) => ({ type: 'filesystem', folder }),
})
