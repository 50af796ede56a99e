import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { errorData } from '../common/errors.ts'
import { systemClock } from '../common/system-ports.ts'
import { batchCodecOf } from '../formats/batch-codec.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import type { BlobStore } from '../state/blob-store.ts'
import { checkedGraph } from './checked-graph.ts'
import { OutputFirst } from './output-first.ts'
import { Slot } from './slot.ts'
import type { BlobStoreReference, FromSlot, SlotStart, SlotThreadData } from './slot-protocol.ts'
import { ThreadPort } from './thread-port.ts'
import { turn } from './turn.ts'
import type { SlotMail } from './worker-slot-host.ts'

export interface WorkerSlotPorts {
  /** Imports the bundle; what it gives builds the job's graph, with functions of its own at each call. */
  graphBuilderOf(start: SlotStart): Promise<() => JobGraph>
  blobStoreOf(reference: BlobStoreReference): BlobStore
}

/** The body of a slot's thread; its end is the slot's end. */
export async function runWorkerSlot({ graphBuilderOf, blobStoreOf }: WorkerSlotPorts): Promise<void> {
  const port = parentPort
  if (port === null) throw new TypeError('a slot runs in a worker thread')
  const { start } = workerData as SlotThreadData
  process.setSourceMapsEnabled(true) // per thread: the main thread's setting does not reach a worker
  const output = new OutputFirst((message) => port.postMessage(message), [process.stdout, process.stderr], systemClock)
  const send = (message: FromSlot): void => output.send(message)
  try {
    const buildGraph = await graphBuilderOf(start)
    checkedGraph(buildGraph(), start)
    const slot = new Slot({
      slotIndex: start.slotIndex,
      jobId: start.jobId,
      buildGraph: () => checkedGraph(buildGraph(), start),
      memory: start.memory,
      blobStore: start.blobStore,
      clock: systemClock,
      heap: { usedBytes: () => getHeapStatistics().used_heap_size, collectGarbage: garbageCollection() },
      turn,
      blobStoreOf,
      codecOf: batchCodecOf,
      send,
      warn: (message) => process.emitWarning(message, 'MillraceWarning'),
    })
    port.on('message', ({ message, ports }: SlotMail) =>
      slot.receive(
        message,
        ports.map((peer) => new ThreadPort(peer)),
      ),
    )
    send({ type: 'ready' })
    await slot.run()
  } catch (error) {
    send({ type: 'slotFailed', error: errorData(error, 'MR_JOB_DEFINITION') })
  }
  await output.written()
  // The message is on its way already; closing the port lets the thread end once nothing else holds it.
  process.exit(1)
}

/** Node gives no access to V8's collector but by its flag. */
function garbageCollection(): (() => void) | undefined {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  return typeof collect === 'function' ? () => Reflect.apply(collect, undefined, []) : undefined
}
