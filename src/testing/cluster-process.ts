import { type LocalCluster, startLocalCluster } from '../actors/local-cluster.ts'
import { InProcessTransport } from '../actors/transport/in-process.ts'
import type { EnumeratorOf } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { Ports } from '../common/ports.ts'
import { createJobGraph } from '../graph/chaining.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import type { BlobStore } from '../state/blob-store.ts'
import { InlineSlotHost } from '../task/inline-slot-host.ts'
import type { BlobStoreReference, SlotMemory, SlotStart } from '../task/slot-protocol.ts'
import type { ClusterTime } from './cluster-time.ts'
import { ObservedSlotHost } from './observed-slot-host.ts'

export interface ClusterProcessOptions {
  readonly time: ClusterTime
  readonly ports: Ports
  readonly logger: Logger
  readonly numberOfTaskSlots: number
  readonly slotMemory: SlotMemory
  readonly passesPerSlice: number | undefined
  readonly enumeratorOf: EnumeratorOf
  graphOf(start: SlotStart): StreamGraph
  blobStoreOf(reference: BlobStoreReference): BlobStore
}

/** One life of the process of a test cluster: its actors and slots. */
export class ClusterProcess {
  readonly cluster: LocalCluster
  readonly slotHost: ObservedSlotHost
  #gone = false

  constructor(options: ClusterProcessOptions) {
    const { time, ports, logger, passesPerSlice } = options
    const host = new InlineSlotHost({
      clock: time.clock,
      turn: () => time.slotTurn(),
      graphOf: (start) => createJobGraph(options.graphOf(start)),
      blobStoreOf: (reference) => options.blobStoreOf(reference),
      warn: (message) => logger.warn({}, message),
      ...(passesPerSlice === undefined ? {} : { passesPerSlice }),
    })
    this.slotHost = new ObservedSlotHost(host)
    this.cluster = startLocalCluster({
      ports,
      logger,
      slotHost: this.slotHost,
      numberOfTaskSlots: options.numberOfTaskSlots,
      slotMemory: options.slotMemory,
      enumeratorOf: options.enumeratorOf,
      // Messages are copied as another process would get them; to a process that is gone nothing is delivered.
      transport: new InProcessTransport({ clone: true, fate: () => (this.#gone ? 'lose' : 'deliver') }),
      killProcess: (error) => {
        throw new MillraceError('MR_TEST', error.message)
      },
    })
  }

  get gone(): boolean {
    return this.#gone
  }

  slotsOf(jobId: JobId): readonly number[] {
    return this.slotHost.slotsOf(jobId)
  }

  /** As kill -9 would: nobody says anything any more. */
  crash(): void {
    this.#gone = true
    this.slotHost.killAll('the process is gone')
  }
}
