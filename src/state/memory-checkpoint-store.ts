import type { SourceSplit } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import { type CheckpointId, checkpointId, type VertexId } from '../common/ids.ts'
import { baseViolationIn } from './base-check.ts'
import type { BlobStore } from './blob-store.ts'
import { BlobSweeper } from './blob-sweeper.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { ManifestHeaders } from './manifest-headers.ts'
import type { TransactionLedger } from './transaction-ledger.ts'

/** Records held by this process, for tests. Records are kept as text, so that nobody shares them. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly #records = new Map<CheckpointId, string>()
  readonly #starts = new Map<VertexId, string>()
  readonly #committed = new Set<CheckpointId>()
  readonly #headers: ManifestHeaders
  readonly #sweeper: BlobSweeper
  #transactions = '[]'
  #begun = 0

  constructor(blobStore: BlobStore) {
    this.#headers = new ManifestHeaders(blobStore)
    this.#sweeper = new BlobSweeper(blobStore, this.#headers)
  }

  async recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    this.#starts.set(vertexId, JSON.stringify(splits))
  }

  async recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined> {
    const text = this.#starts.get(vertexId)
    return text === undefined ? undefined : (JSON.parse(text) as readonly SourceSplit[])
  }

  async recordTransactions(ledger: TransactionLedger): Promise<void> {
    this.#transactions = JSON.stringify(ledger)
  }

  async recordedTransactions(): Promise<TransactionLedger> {
    return JSON.parse(this.#transactions) as TransactionLedger
  }

  async begin(): Promise<CheckpointId> {
    this.#begun++
    return checkpointId(this.#begun)
  }

  baseViolation(record: CheckpointRecord): Promise<string | undefined> {
    return baseViolationIn(record, this.#headers, (id) => this.read(id))
  }

  async complete(record: CheckpointRecord): Promise<void> {
    if (this.#records.has(record.id)) throw recordExists(record.id)
    this.#records.set(record.id, JSON.stringify(record))
  }

  async makeDurable(): Promise<void> {}

  async markCommitted(id: CheckpointId): Promise<void> {
    this.#committed.add(id)
  }

  async isCommitted(id: CheckpointId): Promise<boolean> {
    return [...this.#committed].some((committed) => committed >= id)
  }

  async list(): Promise<readonly CheckpointId[]> {
    return [...this.#records.keys()].sort((left, right) => left - right)
  }

  async read(id: CheckpointId): Promise<CheckpointRecord> {
    const text = this.#records.get(id)
    if (text === undefined) throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `There is no checkpoint ${id}.`)
    return JSON.parse(text) as CheckpointRecord
  }

  async retain(retained: number): Promise<void> {
    const ids = await this.list()
    const kept = ids.slice(-Math.max(1, retained))
    for (const id of ids) {
      if (kept.includes(id)) continue
      this.#records.delete(id)
      this.#committed.delete(id)
    }
    await this.#sweeper.sweep(await Promise.all(kept.map((id) => this.read(id))))
  }

  async ended(): Promise<void> {}
}

export function recordExists(id: CheckpointId): MillraceError {
  return new MillraceError('MR_STORAGE', `Checkpoint ${id} has a record already.`)
}
