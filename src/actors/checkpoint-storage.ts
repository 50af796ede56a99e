import { type ErrorData, errorData, isMillraceError, messageOf } from '../common/errors.ts'
import type { CheckpointId } from '../common/ids.ts'
import type { Logger } from '../common/logger.ts'
import type { JobMasterMessage } from '../coordinator/job-master/messages.ts'
import type { RestorePoint } from '../coordinator/restore.ts'
import type { CheckpointRecord } from '../state/checkpoint-record.ts'
import type { CheckpointStore, EndOfJob } from '../state/checkpoint-store.ts'
import type { TransactionLedger } from '../state/transaction-ledger.ts'
import { isFenced } from './recorded-effects.ts'

/** The job's store of records, one operation after another; what comes of each goes to the JobMaster as a message. */
export class CheckpointStorage {
  readonly #store: CheckpointStore | undefined
  /** Where a record of another run was restored from. */
  readonly #restoredStore: CheckpointStore | undefined
  readonly #tell: (message: JobMasterMessage) => void
  readonly #logger: Logger
  /** Another process leads: what comes of the operation is its business. */
  readonly #fenced: () => void
  /** The record that has passed the check of its base: it may have been written since. */
  #checked: CheckpointId | undefined
  #queue: Promise<void> = Promise.resolve()

  constructor(
    stores: { readonly own: CheckpointStore | undefined; readonly restored: CheckpointStore | undefined },
    tell: (message: JobMasterMessage) => void,
    logger: Logger,
    fenced: () => void,
  ) {
    this.#store = stores.own
    this.#restoredStore = stores.restored
    this.#tell = tell
    this.#logger = logger
    this.#fenced = fenced
  }

  begin(): void {
    this.#next(
      async (store) => this.#tell({ type: 'checkpointBegun', id: await store.begin() }),
      (error) => this.#tell({ type: 'checkpointBeginFailed', error: errorData(error, 'MR_STORAGE') }),
    )
  }

  complete(record: CheckpointRecord, repeated: boolean): void {
    this.#next(
      async (store) => {
        const error = this.#checked === record.id ? undefined : await refusalOf(store, record)
        if (error !== undefined) {
          this.#tell({ type: 'completionRefused', id: record.id, error })
          return
        }
        this.#checked = record.id
        await (repeated ? completeAgain(store, record) : store.complete(record))
        this.#tell({ type: 'checkpointCompleted', id: record.id })
      },
      (error) => this.#tell({ type: 'completionUndetermined', id: record.id, error: errorData(error, 'MR_STORAGE') }),
    )
  }

  markCommitted(id: CheckpointId): void {
    this.#next(
      async (store) => {
        await store.markCommitted(id)
        this.#tell({ type: 'markedCommitted', id })
      },
      (error) => this.#tell({ type: 'markFailed', id, error: errorData(error, 'MR_STORAGE') }),
    )
  }

  recordTransactions(revision: number, ledger: TransactionLedger): void {
    this.#next(
      async (store) => {
        await store.recordTransactions(ledger)
        this.#tell({ type: 'transactionsRecorded', revision })
      },
      (error) => this.#tell({ type: 'transactionsNotRecorded', revision, error: errorData(error, 'MR_STORAGE') }),
    )
  }

  /** All that the record of another run lists is committed: whoever restores it again commits nothing (R17). */
  markRestored(id: CheckpointId): void {
    this.#enqueue(async () => {
      try {
        await this.#restoredStore?.markCommitted(id)
        this.#tell({ type: 'restoredMarked', error: undefined })
      } catch (error) {
        this.#tell({ type: 'restoredMarked', error: errorData(error, 'MR_STORAGE') })
      }
    })
  }

  retain(retained: number): void {
    this.#next(
      (store) => store.retain(retained),
      (error) => this.#logger.warn({ error: errorData(error) }, `old checkpoints are kept: ${messageOf(error)}`),
    )
  }

  /** The newest completed checkpoint before the point's, where there is one (R9). */
  readPrevious(region: number, point: RestorePoint): void {
    this.#enqueue(async () => {
      try {
        const store = point.ownRun ? this.#store : this.#restoredStore
        this.#tell({ type: 'previousCheckpoint', region, point: await previousOf(store, point) })
      } catch (error) {
        this.#logger.warn({ error: errorData(error) }, `no older checkpoint can be read: ${messageOf(error)}`)
        this.#tell({ type: 'previousCheckpoint', region, point: undefined })
      }
    })
  }

  /** R14; a job without checkpoints has nothing to delete. */
  ended(outcome: EndOfJob): void {
    this.#enqueue(async () => {
      try {
        await this.#store?.ended(outcome)
      } catch (error) {
        this.#logger.warn({ error: errorData(error) }, `checkpoints of the ended job are kept: ${messageOf(error)}`)
      }
    })
  }

  /** Resolves when everything that was asked for is done. */
  idle(): Promise<void> {
    return this.#queue
  }

  #next(operation: (store: CheckpointStore) => Promise<void>, failed: (error: unknown) => void): void {
    this.#enqueue(async () => {
      try {
        if (this.#store === undefined) throw new TypeError('the job has no checkpoint store')
        await operation(this.#store)
      } catch (error) {
        if (isFenced(error)) this.#fenced()
        else failed(error)
      }
    })
  }

  #enqueue(operation: () => Promise<void>): void {
    this.#queue = this.#queue.then(operation)
  }
}

/** Why the record must not be written (R1). Errors of the storage that may pass are thrown. */
async function refusalOf(store: CheckpointStore, record: CheckpointRecord): Promise<ErrorData | undefined> {
  try {
    const message = await store.baseViolation(record)
    return message === undefined ? undefined : { code: 'MR_INTERNAL', message }
  } catch (error) {
    if (isMillraceError(error) && error.code === 'MR_CHECKPOINT_DAMAGED') return errorData(error)
    throw error
  }
}

/** R3: an earlier try may have written the record without our knowing. Ours and there = completed. */
async function completeAgain(store: CheckpointStore, record: CheckpointRecord): Promise<void> {
  try {
    await store.complete(record)
  } catch (error) {
    if (!(await store.list()).includes(record.id)) throw error
    const found = await store.read(record.id)
    if (JSON.stringify(found) !== JSON.stringify(record)) throw error
    await store.makeDurable(record.id)
  }
}

/** Found, not written by us: it is made durable before anyone acts on it (R3). */
async function previousOf(store: CheckpointStore | undefined, point: RestorePoint): Promise<RestorePoint | undefined> {
  if (store === undefined) return undefined
  const older = (await store.list()).filter((id) => id < point.record.id).at(-1)
  if (older === undefined) return undefined
  await store.makeDurable(older)
  return { ...point, record: await store.read(older), committed: await store.isCommitted(older) }
}
