import type { SourceSplit } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import type { CheckpointId, VertexId } from '../common/ids.ts'
import { systemIds } from '../common/system-ports.ts'
import type { CheckpointRecord } from '../state/checkpoint-record.ts'
import type { CheckpointStore, EndOfJob } from '../state/checkpoint-store.ts'
import { MemoryBlobStore } from '../state/memory-blob-store.ts'
import { MemoryCheckpointStore } from '../state/memory-checkpoint-store.ts'
import type { TransactionLedger } from '../state/transaction-ledger.ts'
import type { BlobStoreReference } from '../task/slot-protocol.ts'

/** Where a run of a job keeps its checkpoints: in memory, and it outlives the cluster's process. */
export class TestStorage {
  readonly name: string = systemIds.unique()
  readonly blobStore = new MemoryBlobStore()
  readonly checkpointStore: CheckpointStore = new MemoryCheckpointStore(this.blobStore)

  get reference(): BlobStoreReference {
    return { type: 'memory', name: this.name }
  }
}

export type StorageOperation = 'begin' | 'complete' | 'markCommitted'

/** `refused`: nothing was written. `unanswered`: it was written, and nobody hears of it (R3). */
export type StorageFault = 'refused' | 'unanswered'

/** The checkpoint store as one life of a process sees it: with faults, and silent once the process is gone. */
export class FaultyCheckpointStore implements CheckpointStore {
  readonly #store: CheckpointStore
  readonly #gone: () => boolean
  readonly #faults = new Map<StorageOperation, StorageFault>()

  constructor(store: CheckpointStore, gone: () => boolean) {
    this.#store = store
    this.#gone = gone
  }

  failNext(operation: StorageOperation, fault: StorageFault): void {
    this.#faults.set(operation, fault)
  }

  recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    return this.#alive(() => this.#store.recordStart(vertexId, splits))
  }

  recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined> {
    return this.#alive(() => this.#store.recordedStart(vertexId))
  }

  recordTransactions(ledger: TransactionLedger): Promise<void> {
    return this.#alive(() => this.#store.recordTransactions(ledger))
  }

  recordedTransactions(): Promise<TransactionLedger> {
    return this.#alive(() => this.#store.recordedTransactions())
  }

  begin(): Promise<CheckpointId> {
    return this.#write('begin', () => this.#store.begin())
  }

  baseViolation(record: CheckpointRecord): Promise<string | undefined> {
    return this.#alive(() => this.#store.baseViolation(record))
  }

  complete(record: CheckpointRecord): Promise<void> {
    return this.#write('complete', () => this.#store.complete(record))
  }

  markCommitted(id: CheckpointId): Promise<void> {
    return this.#write('markCommitted', () => this.#store.markCommitted(id))
  }

  makeDurable(id: CheckpointId): Promise<void> {
    return this.#alive(() => this.#store.makeDurable(id))
  }

  isCommitted(id: CheckpointId): Promise<boolean> {
    return this.#alive(() => this.#store.isCommitted(id))
  }

  list(): Promise<readonly CheckpointId[]> {
    return this.#alive(() => this.#store.list())
  }

  read(id: CheckpointId): Promise<CheckpointRecord> {
    return this.#alive(() => this.#store.read(id))
  }

  retain(retained: number): Promise<void> {
    return this.#alive(() => this.#store.retain(retained))
  }

  ended(outcome: EndOfJob): Promise<void> {
    return this.#alive(() => this.#store.ended(outcome))
  }

  #write<T>(name: StorageOperation, operation: () => Promise<T>): Promise<T> {
    return this.#alive(async () => {
      const fault = this.#faults.get(name)
      this.#faults.delete(name)
      if (fault === 'refused') throw new MillraceError('MR_STORAGE', `the test refuses: ${name}`)
      const result = await operation()
      if (fault === 'unanswered') throw new MillraceError('MR_STORAGE', `the test loses the answer: ${name}`)
      return result
    })
  }

  /** Whoever asks after the end of the process has ended with it: there is nobody to answer. */
  #alive<T>(operation: () => Promise<T>): Promise<T> {
    return this.#gone() ? new Promise<T>(() => {}) : operation()
  }
}
