import { readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import type { SourceSplit } from '../../api/source.ts'
import { MillraceError } from '../../common/errors.ts'
import { type CheckpointId, checkpointId, type VertexId } from '../../common/ids.ts'
import { baseViolationIn } from '../base-check.ts'
import { BlobSweeper } from '../blob-sweeper.ts'
import type { CheckpointRecord } from '../checkpoint-record.ts'
import type { CheckpointStore } from '../checkpoint-store.ts'
import { ManifestHeaders } from '../manifest-headers.ts'
import { recordExists } from '../memory-checkpoint-store.ts'
import type { TransactionLedger } from '../transaction-ledger.ts'
import {
  createDurably,
  errorCodeOf,
  makeFolder,
  replaceDurably,
  storageError,
  syncFile,
  syncFolder,
  temporarySuffix,
} from './durable-files.ts'
import { FolderBlobStore } from './folder-blob-store.ts'

const recordName = /^chk-(\d+)\.json$/
const markName = /^committed-(\d+)$/

const transactionsName = 'transactions.json'

/** Where the blobs of a run are. */
export function blobFolder(runFolder: string): string {
  return join(runFolder, 'blobs')
}

/** What stands in a file: the checksum is of the record as JSON. */
interface Stored<Content> {
  readonly checksum: number
  readonly record: Content
}

/**
 * The records of one run in its folder `run-<k>`: `records/chk-<n>.json`, made by link() (R11); `begun`, the highest id
 * that was minted; `committed-<n>` marks; `start-<vertex>.json`; `transactions.json`, the ledger of transactional ids (R15); `blobs/`. The caller holds the job folder's lock.
 */
export class FolderCheckpointStore implements CheckpointStore {
  readonly runFolder: string
  readonly #records: string
  readonly #blobStore: FolderBlobStore
  readonly #headers: ManifestHeaders
  readonly #sweeper: BlobSweeper
  #begun: number | undefined

  constructor(runFolder: string) {
    this.runFolder = runFolder
    this.#records = join(runFolder, 'records')
    this.#blobStore = new FolderBlobStore(blobFolder(runFolder))
    this.#headers = new ManifestHeaders(this.#blobStore)
    this.#sweeper = new BlobSweeper(this.#blobStore, this.#headers)
  }

  async recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    const path = this.#startPath(vertexId)
    await stored(path, async () => {
      await makeFolder(this.runFolder)
      await replaceDurably(path, encode(splits))
    })
  }

  async recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined> {
    const path = this.#startPath(vertexId)
    const text = await textOf(path)
    return text === undefined ? undefined : decode<readonly SourceSplit[]>(text, path)
  }

  async recordTransactions(ledger: TransactionLedger): Promise<void> {
    const path = join(this.runFolder, transactionsName)
    await stored(path, async () => {
      await makeFolder(this.runFolder)
      await replaceDurably(path, encode(ledger))
    })
  }

  async recordedTransactions(): Promise<TransactionLedger> {
    const path = join(this.runFolder, transactionsName)
    const text = await textOf(path)
    return text === undefined ? [] : decode<TransactionLedger>(text, path)
  }

  async begin(): Promise<CheckpointId> {
    const path = join(this.runFolder, 'begun')
    return await stored(path, async () => {
      this.#begun ??= Math.max(await begunIn(path), (await this.list()).at(-1) ?? 0)
      // Counted before it is written: an id whose write failed may be on disk, and is not used again (R2).
      this.#begun++
      const id = this.#begun
      await makeFolder(this.runFolder)
      await replaceDurably(path, Buffer.from(`${id}\n`))
      return checkpointId(id)
    })
  }

  baseViolation(record: CheckpointRecord): Promise<string | undefined> {
    return baseViolationIn(record, this.#headers, (id) => this.read(id))
  }

  async complete(record: CheckpointRecord): Promise<void> {
    const path = this.#recordPath(record.id)
    await stored(path, async () => {
      await makeFolder(this.#records)
      try {
        await createDurably(path, encode(record))
      } catch (error) {
        if (errorCodeOf(error) === 'EEXIST') throw recordExists(record.id)
        throw error
      }
    })
  }

  async markCommitted(id: CheckpointId): Promise<void> {
    const path = this.#markPath(id)
    await stored(path, () => replaceDurably(path, Buffer.alloc(0)))
  }

  async isCommitted(id: CheckpointId): Promise<boolean> {
    const names = await stored(this.runFolder, () => entriesOf(this.runFolder))
    return names.some((name) => Number(markName.exec(name)?.[1]) >= id)
  }

  async list(): Promise<readonly CheckpointId[]> {
    const names = await stored(this.#records, () => entriesOf(this.#records))
    return names
      .map((name) => recordName.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map((digits) => checkpointId(Number(digits)))
      .sort((left, right) => left - right)
  }

  async read(id: CheckpointId): Promise<CheckpointRecord> {
    const path = this.#recordPath(id)
    const text = await textOf(path)
    if (text === undefined) throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `There is no checkpoint ${path}.`)
    const record = decode<CheckpointRecord>(text, path)
    if (record.formatVersion !== 1) throw damaged(path)
    return record
  }

  async retain(retained: number): Promise<void> {
    const ids = await this.list()
    const kept = ids.slice(-Math.max(1, retained))
    const [oldest] = kept
    if (oldest === undefined) return
    await stored(this.#records, async () => {
      for (const id of ids) if (id < oldest) await unlink(this.#recordPath(id))
      // Records go before their blobs: none may name a blob that is gone.
      if (ids[0] !== oldest) await syncFolder(this.#records)
      await this.#removeLeftovers(oldest)
    })
    const records = await Promise.all(kept.map((id) => this.read(id)))
    await this.#sweeper.sweep(records)
    for (const { jobId } of records.slice(0, 1)) await this.#blobStore.sweepLeftovers(jobId, oldest)
  }

  /** A person's folder: the next run may start from it (R14). */
  async ended(): Promise<void> {}

  /** What crashes left of files that were being written, and marks of records that are gone. */
  async #removeLeftovers(oldest: CheckpointId): Promise<void> {
    for (const folder of [this.runFolder, this.#records]) {
      for (const name of await entriesOf(folder)) {
        const marked = markName.exec(name)?.[1]
        const isOldMark = marked !== undefined && Number(marked) < oldest
        if (isOldMark || name.endsWith(temporarySuffix)) await unlink(join(folder, name)).catch(ignoreMissing)
      }
    }
  }

  /** R11: what an earlier run wrote may not have reached the disk; called before anyone acts on it. */
  async makeDurable(id: CheckpointId): Promise<void> {
    const path = this.#recordPath(id)
    await stored(path, async () => {
      await syncFile(path)
      await syncFolder(this.#records)
      await syncFolder(this.runFolder)
    })
  }

  #recordPath(id: CheckpointId): string {
    return join(this.#records, `chk-${id}.json`)
  }

  #startPath(vertexId: VertexId): string {
    return join(this.runFolder, `start-${vertexId}.json`)
  }

  #markPath(id: CheckpointId): string {
    return join(this.runFolder, `committed-${id}`)
  }
}

function encode<Content>(record: Content): Buffer {
  const content: Stored<Content> = { checksum: crc32c(JSON.stringify(record)), record }
  return Buffer.from(`${JSON.stringify(content, undefined, 1)}\n`, 'utf8')
}

function decode<Content>(text: string, path: string): Content {
  try {
    const { checksum, record } = JSON.parse(text) as Stored<Content>
    if (crc32c(JSON.stringify(record)) === checksum) return record
  } catch {
    // Not JSON: as damaged as a wrong checksum.
  }
  throw damaged(path)
}

function damaged(path: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `${path} is damaged: wrong checksum.`)
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw storageError(path, error)
  }
}

async function begunIn(path: string): Promise<number> {
  try {
    const begun = Number(await readFile(path, 'utf8'))
    if (!Number.isSafeInteger(begun)) throw new MillraceError('MR_CHECKPOINT_DAMAGED', `${path} holds no number.`)
    return begun
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return 0
    throw error
  }
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}

function isMissing(error: unknown): boolean {
  const code = errorCodeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Errors of the file system as MR_STORAGE; ours stay. */
async function stored<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    throw error instanceof MillraceError ? error : storageError(path, error)
  }
}
