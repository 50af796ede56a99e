import { open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { z } from 'zod'
import { MillraceError } from '../../common/errors.ts'
import { type CheckpointId, checkpointId } from '../../common/ids.ts'
import type { CheckpointRecord } from '../checkpoint-record.ts'
import type { CheckpointStore } from '../checkpoint-store.ts'
import { readManifest } from '../subtask-manifest.ts'
import { createDurably, hasCode, makeFolder, storageError, synchronizeFolder } from './durable-files.ts'
import { FolderBlobStore } from './folder-blob-store.ts'

/** A record as it lies in its file. */
const recordFile = z.object({
  checksum: z.number(),
  record: z.looseObject({ formatVersion: z.literal(1), id: z.number() }),
})

/**
 * The checkpoints of one run in its folder: `records/chk-<n>.json`, `begun/chk-<n>`, `committed/chk-<n>`, and the blobs.
 * Whoever writes holds the lock of the job's folder (R11); reading needs none.
 */
export class FolderCheckpointStore implements CheckpointStore {
  readonly runFolder: string
  readonly #blobs: FolderBlobStore
  #lastBegun: CheckpointId | undefined
  /** Blobs that a record's manifests name, by the record's id; read once. */
  readonly #namedBlobs = new Map<CheckpointId, ReadonlySet<string>>()

  constructor(runFolder: string) {
    this.runFolder = runFolder
    this.#blobs = new FolderBlobStore(blobFolder(runFolder))
  }

  async begin(): Promise<CheckpointId> {
    return this.#attempt('can not begin a checkpoint', async () => {
      const last = this.#lastBegun ?? (await this.#highestId())
      const id = checkpointId(last + 1)
      await makeFolder(this.#folder('begun'))
      if (!(await createDurably(this.#folder('begun'), `chk-${id}`, Buffer.alloc(0)))) {
        throw new MillraceError(
          'MR_STORAGE',
          `checkpoint ${id} has begun already: another process writes to ${this.runFolder}`,
        )
      }
      this.#lastBegun = id
      // The newest mark alone keeps ids from being used again.
      await rm(join(this.#folder('begun'), `chk-${last}`), { force: true })
      return id
    })
  }

  async complete(record: CheckpointRecord): Promise<void> {
    await this.#attempt(`can not write the record of checkpoint ${record.id}`, async () => {
      const text = JSON.stringify(record)
      const file = `{"checksum":${crc32c(text)},"record":${text}}\n`
      await makeFolder(this.#folder('records'))
      if (await createDurably(this.#folder('records'), `chk-${record.id}.json`, Buffer.from(file))) return
      throw new MillraceError('MR_STORAGE', `there is a record of checkpoint ${record.id} already in ${this.runFolder}`)
    })
  }

  async markCommitted(id: CheckpointId): Promise<void> {
    await this.#attempt(`can not mark checkpoint ${id} as committed`, async () => {
      await makeFolder(this.#folder('committed'))
      await createDurably(this.#folder('committed'), `chk-${id}`, Buffer.alloc(0))
    })
  }

  async isCommitted(id: CheckpointId): Promise<boolean> {
    return (await this.#ids('committed')).includes(id)
  }

  async list(): Promise<readonly CheckpointId[]> {
    return await this.#ids('records')
  }

  async read(id: CheckpointId): Promise<CheckpointRecord> {
    return readRecordFile(this.recordPath(id))
  }

  recordPath(id: CheckpointId): string {
    return join(this.#folder('records'), `chk-${id}.json`)
  }

  /** A record that another process may have written just before it died is made durable before anyone acts on it (R3, R11). */
  async makeDurable(id: CheckpointId): Promise<void> {
    await this.#attempt(`can not make checkpoint ${id} durable`, async () => {
      const handle = await open(this.recordPath(id), 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
      await synchronizeFolder(this.#folder('records'))
    })
  }

  async retain(retained: number): Promise<void> {
    const ids = await this.list()
    const subsumed = ids.slice(0, Math.max(0, ids.length - retained))
    const oldest = ids[subsumed.length]
    if (oldest === undefined) return
    await this.#attempt('can not delete old checkpoints', async () => {
      // Records first: one that is there has all its blobs.
      for (const id of subsumed) {
        await rm(this.recordPath(id), { force: true })
        await rm(join(this.#folder('committed'), `chk-${id}`), { force: true })
        this.#namedBlobs.delete(id)
      }
      if (subsumed.length > 0) await synchronizeFolder(this.#folder('records'))
      await this.#sweep(ids.slice(subsumed.length), oldest)
    })
  }

  /** R10: a blob goes only if its checkpoint is older than the oldest retained one and no retained manifest names it. */
  async #sweep(retained: readonly CheckpointId[], oldest: CheckpointId): Promise<void> {
    const named = new Set<string>()
    for (const id of retained) for (const name of await this.#namedBy(id)) named.add(name)
    const garbage = (await this.#blobs.list('')).filter((name) => {
      const id = checkpointOfBlob(name)
      return id !== undefined && id < oldest && !named.has(name)
    })
    await this.#blobs.delete(garbage)
  }

  async #namedBy(id: CheckpointId): Promise<ReadonlySet<string>> {
    const known = this.#namedBlobs.get(id)
    if (known !== undefined) return known
    const names = new Set<string>()
    for (const vertex of (await this.read(id)).vertices) {
      for (const { manifest } of vertex.subtasks) {
        names.add(manifest.name)
        for (const blob of (await readManifest(this.#blobs, manifest)).blobs) names.add(blob.name)
      }
    }
    this.#namedBlobs.set(id, names)
    return names
  }

  async #highestId(): Promise<number> {
    return Math.max(0, ...(await this.#ids('begun')), ...(await this.#ids('records')))
  }

  async #ids(folder: 'begun' | 'records' | 'committed'): Promise<readonly CheckpointId[]> {
    const names = await namesIn(this.#folder(folder))
    return names
      .map((name) => /^chk-(\d+)(?:\.json)?$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map((digits) => checkpointId(Number(digits)))
      .sort((a, b) => a - b)
  }

  #folder(name: 'begun' | 'records' | 'committed'): string {
    return join(this.runFolder, name)
  }

  async #attempt<T>(what: string, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (error) {
      throw error instanceof MillraceError ? error : storageError(what, error)
    }
  }
}

/** Where the blobs of a run lie: what BlobStoreReference names. */
export function blobFolder(runFolder: string): string {
  return join(runFolder, 'blobs')
}

/** @throws MillraceError MR_CHECKPOINT_NOT_FOUND, MR_CHECKPOINT_DAMAGED naming the file */
export async function readRecordFile(path: string): Promise<CheckpointRecord> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT'))
      throw new MillraceError('MR_CHECKPOINT_NOT_FOUND', `there is no checkpoint record ${path}`)
    throw storageError(`can not read ${path}`, error)
  }
  try {
    const { checksum, record } = recordFile.parse(JSON.parse(text))
    if (crc32c(JSON.stringify(record)) !== checksum) throw new TypeError('its checksum is wrong')
    return record as unknown as CheckpointRecord
  } catch (error) {
    throw new MillraceError('MR_CHECKPOINT_DAMAGED', `the checkpoint record ${path} is damaged`, { cause: error })
  }
}

/** Names in a folder; none where it does not exist. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw storageError(`can not list ${folder}`, error)
  }
}

/** Blob names are `<job>/<attempt>/chk-<id>/…`. */
function checkpointOfBlob(name: string): number | undefined {
  const digits = /^[^/]+\/[^/]+\/chk-(\d+)\//.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
