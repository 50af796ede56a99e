import type { SourceSplit } from '../../../src/api/source.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { type CheckpointId, checkpointId, type VertexId } from '../../../src/common/ids.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { CheckpointStore } from '../../../src/state/checkpoint-store.ts'
import type { TransactionLedger } from '../../../src/state/transaction-ledger.ts'

/** Records in memory; `failing` says which operations are refused, and a completion may be written in spite of its error. */
export class RecordingCheckpointStore implements CheckpointStore {
  readonly operations: string[] = []
  readonly records = new Map<CheckpointId, CheckpointRecord>()
  readonly committed = new Set<CheckpointId>()
  failing: (operation: string) => 'no' | 'before' | 'after' = () => 'no'
  #begun = 0

  readonly starts = new Map<VertexId, readonly SourceSplit[]>()

  async recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    this.starts.set(vertexId, structuredClone(splits))
  }

  async recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined> {
    return this.starts.get(vertexId)
  }

  transactions: TransactionLedger = []

  async recordTransactions(ledger: TransactionLedger): Promise<void> {
    this.transactions = structuredClone(ledger)
  }

  async recordedTransactions(): Promise<TransactionLedger> {
    return this.transactions
  }

  async begin(): Promise<CheckpointId> {
    return this.#run(`begin ${this.#begun + 1}`, () => checkpointId(++this.#begun))
  }

  violation: string | undefined

  async baseViolation(): Promise<string | undefined> {
    return this.violation
  }

  async complete(record: CheckpointRecord): Promise<void> {
    this.#run(`complete ${record.id}`, () => {
      if (this.records.has(record.id)) throw new MillraceError('MR_STORAGE', `record ${record.id} exists`)
      this.records.set(record.id, structuredClone(record))
    })
  }

  async makeDurable(id: CheckpointId): Promise<void> {
    this.#run(`make durable ${id}`, () => {})
  }

  async markCommitted(id: CheckpointId): Promise<void> {
    this.#run(`mark ${id}`, () => this.committed.add(id))
  }

  async isCommitted(id: CheckpointId): Promise<boolean> {
    return this.committed.has(id)
  }

  async list(): Promise<readonly CheckpointId[]> {
    return [...this.records.keys()].sort((a, b) => a - b)
  }

  async read(id: CheckpointId): Promise<CheckpointRecord> {
    const record = this.records.get(id)
    if (record === undefined) throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `no record ${id}`)
    return structuredClone(record)
  }

  async retain(retained: number): Promise<void> {
    const ids = await this.list()
    for (const id of ids.slice(0, Math.max(0, ids.length - retained))) this.records.delete(id)
  }

  async ended(): Promise<void> {}

  #run<T>(operation: string, action: () => T): T {
    this.operations.push(operation)
    const failing = this.failing(operation)
    if (failing === 'before') throw new MillraceError('MR_STORAGE', `refused: ${operation}`)
    const result = action()
    if (failing === 'after') throw new MillraceError('MR_STORAGE', `no answer: ${operation}`)
    return result
  }
}
