import { parentPort, workerData } from 'node:worker_threads'
import { MillraceError } from '../../common/errors.ts'
import { threadsClock } from '../../common/system-ports.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LeaseMemory } from './lease-memory.ts'
import type { LeaseThreadData, ToLeaseThread } from './lease-thread.ts'
import { RedlockLease } from './redlock-lease.ts'

const port = parentPort
if (port === null) throw new MillraceError('MR_INTERNAL', 'lease-worker runs in a worker thread')
const { nodes, resource, settings, buffer } = workerData as LeaseThreadData
const keeper = new LeaseKeeper({
  settings,
  lease: new RedlockLease({ nodes, resource, leaseMs: settings.leaseMs, clock: threadsClock }),
  memory: new LeaseMemory(buffer),
  clock: threadsClock,
  tell: (message) => port.postMessage(message),
})
port.on('message', (message: ToLeaseThread) => {
  if (message.type !== 'close') {
    keeper.receive(message)
    return
  }
  keeper.close()
  port.close()
})
