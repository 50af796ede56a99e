import { errorData, messageOf } from '../common/errors.ts'
import type { Timer } from '../common/ports.ts'
import { heldSlots, type JobRecord, type RestoreReference, readRecord } from '../coordinator/job-master/job-record.ts'
import { type AdoptionFacts, restoreReferences } from '../coordinator/job-master/recorded-state.ts'
import type { RestorePoint } from '../coordinator/restore.ts'
import type { Inventory } from '../coordinator/task-manager/inventory.ts'
import type { CheckpointStore } from '../state/checkpoint-store.ts'
import { type JobMasterInbox, jobManagerReference } from './addresses.ts'
import { JobMaster, type JobMasterResources, type JobMasterStart } from './job-master.ts'
import { isFenced } from './recorded-effects.ts'
import type { Actor, ActorContext, Sender } from './runtime/actor.ts'

const retryMs = 500

/** Before the job is taken over: what TaskManagers and clients say counts. The rest was for a JobMaster that is no more. */
const keptEarly: ReadonlySet<JobMasterInbox['type']> = new Set([
  'attempt',
  'metrics',
  'taskManagerLost',
  'vacate',
  'cancelJob',
  'suspendJob',
  'drainJob',
  'checkpointJob',
])

/**
 * The JobMaster of a job that ran under the leader before. It is there before the TaskManagers are asked what they have,
 * so that nothing they say is lost, and takes the job over when all have answered (R23). Where messages may have been lost
 * later, it takes the job over again in the same way: nothing is replayed (R22).
 */
export class AdoptingJobMaster implements Actor<JobMasterInbox> {
  readonly #context: ActorContext<JobMasterInbox>
  readonly #client: string
  readonly #resources: JobMasterResources
  /** What came before the job was taken over. */
  readonly #early: (readonly [JobMasterInbox, Sender])[] = []
  #record: JobRecord
  /** Of the last `inventoriesWanted`; 0: the inventories come without asking. */
  #request = 0
  /** The JobMaster before is being ended. */
  #handingOver: Promise<void> | undefined
  #inventories: readonly Inventory[] | undefined
  #jobMaster: JobMaster | undefined
  #retry: Timer | undefined
  #ended = false

  constructor(
    context: ActorContext<JobMasterInbox>,
    start: { readonly record: JobRecord; readonly client: string },
    resources: JobMasterResources,
  ) {
    this.#context = context
    this.#record = readRecord(start.record)
    this.#client = start.client
    this.#resources = resources
  }

  receive(message: JobMasterInbox, sender: Sender): void {
    if (message.type === 'adoptAgain') {
      this.interrupted()
    } else if (this.#jobMaster !== undefined) {
      this.#jobMaster.receive(message, sender)
    } else if (message.type === 'adopt') {
      // What was made before the last gap is not all there is.
      if (this.#inventories !== undefined || (message.request ?? 0) !== this.#request) return
      this.#inventories = message.inventories
      void this.#readFacts(this.#request)
    } else if (keptEarly.has(message.type)) {
      this.#early.push([message, sender])
    }
  }

  /** Messages of a TaskManager, or to it, may be lost: all are asked what they have (R22). */
  interrupted(): void {
    const jobMaster = this.#jobMaster
    if (jobMaster?.hasEnded === true) return
    this.#request++
    this.#inventories = undefined
    this.#retry?.cancel()
    if (jobMaster === undefined) {
      if (this.#handingOver === undefined) this.#wantInventories()
      return
    }
    this.#jobMaster = undefined
    this.#handingOver = jobMaster.handOver().then((record) => {
      this.#record = record
      this.#handingOver = undefined
      this.#wantInventories()
    })
  }

  #wantInventories(): void {
    if (this.#ended) return
    const { jobId } = this.#record.submission
    const held = heldSlots(this.#record)
    this.#context.tell(jobManagerReference, { type: 'inventoriesWanted', jobId, request: this.#request, held })
  }

  async ended(): Promise<void> {
    this.#ended = true
    this.#retry?.cancel()
    await this.#handingOver
    await this.#jobMaster?.ended()
  }

  /** A store that can not be read is tried again for as long as this process leads. */
  async #readFacts(request: number): Promise<void> {
    const { checkpointStore, restoredStore, logger, ports } = this.#resources
    try {
      const facts = await adoptionFacts(this.#record, { own: checkpointStore, restored: restoredStore })
      if (!this.#ended && request === this.#request) this.#takeOver(facts)
    } catch (error) {
      if (this.#ended || request !== this.#request) return
      if (isFenced(error)) {
        this.#context.stop()
        return
      }
      logger.warn({ error: errorData(error) }, `the job can not be taken over yet: ${messageOf(error)}`)
      this.#retry = ports.clock.schedule(retryMs, () => void this.#readFacts(request))
    }
  }

  #takeOver(facts: AdoptionFacts): void {
    const { submission } = this.#record
    const restored = submission.restored === null ? undefined : facts.points.find(({ ownRun }) => !ownRun)
    const { requestId, ...rest } = submission
    const start: JobMasterStart = {
      submission: { ...rest, restore: restored, ...(requestId === null ? {} : { requestId }) },
      client: this.#client,
      adopted: { record: this.#record, inventories: this.#inventories ?? [], facts },
    }
    const jobMaster = new JobMaster(this.#context, start, this.#resources)
    this.#jobMaster = jobMaster
    for (const [message, sender] of this.#early.splice(0)) jobMaster.receive(message, sender)
  }
}

interface Stores {
  readonly own: CheckpointStore | undefined
  readonly restored: CheckpointStore | undefined
}

/** What the stores of checkpoints know of a job. What was found and not written by this process is made durable first (R3). */
export async function adoptionFacts(record: JobRecord, stores: Stores): Promise<AdoptionFacts> {
  const { own } = stores
  const newest = (await own?.list())?.at(-1)
  const { jobId, blobStore } = record.submission
  const latest =
    own === undefined || newest === undefined
      ? undefined
      : await pointIn(own, { jobId, checkpointId: newest, blobStore, committed: false, ownRun: true })
  const points: RestorePoint[] = []
  for (const reference of restoreReferences(record)) {
    const store = reference.ownRun ? own : stores.restored
    // A record that was deleted meanwhile is not needed: a newer one has completed.
    if (store === undefined || !(await store.list()).includes(reference.checkpointId)) continue
    points.push(await pointIn(store, reference))
  }
  return { latest, points, ledger: (await own?.recordedTransactions()) ?? [] }
}

async function pointIn(
  store: CheckpointStore,
  { checkpointId, blobStore, ownRun }: RestoreReference,
): Promise<RestorePoint> {
  await store.makeDurable(checkpointId)
  const [record, committed] = [await store.read(checkpointId), await store.isCommitted(checkpointId)]
  return { record, blobStore, committed, ownRun }
}
