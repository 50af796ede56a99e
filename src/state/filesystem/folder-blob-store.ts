import type { Dirent } from 'node:fs'
import { open, readdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import type { BlobStore } from '../blob-store.ts'
import { errorCodeOf, makeFolder, replaceDurably, storageError, temporarySuffix } from './durable-files.ts'

const checkpointFolder = /^chk-(\d+)$/
const nameOfBlob = /^(?!\.)[\w.-]+(?:\/(?!\.)[\w.-]+)*$/

/** Blobs as files of a folder, by their name as a path. What a checksum says is judged by those who hold the reference. */
export class FolderBlobStore implements BlobStore {
  readonly folder: string
  /** Folders whose names this store has synchronised itself: another thread may have made one and not come so far (R3). */
  readonly #durableFolders = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name)
    try {
      await this.#write(path, bytes).catch(async (error: unknown) => {
        // An empty folder may have been swept since it was made.
        if (errorCodeOf(error) !== 'ENOENT') throw error
        this.#durableFolders.clear()
        await this.#write(path, bytes)
      })
    } catch (error) {
      throw storageError(path, error)
    }
  }

  async get(name: string): Promise<Buffer> {
    const path = this.#path(name)
    try {
      return await readFile(path)
    } catch (error) {
      throw readError(path, error)
    }
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    const path = this.#path(name)
    const bytes = Buffer.allocUnsafeSlow(length)
    let position = 0
    try {
      const file = await open(path, 'r')
      try {
        while (position < length) {
          const { bytesRead } = await file.read(bytes, position, length - position, offset + position)
          if (bytesRead === 0) break
          position += bytesRead
        }
      } finally {
        await file.close()
      }
    } catch (error) {
      throw readError(path, error)
    }
    if (position === length) return bytes
    throw new MillraceError('MR_CHECKPOINT_DAMAGED', `${path} is damaged: it ends at ${offset + position}.`)
  }

  async delete(names: readonly string[]): Promise<void> {
    const folders = new Set<string>()
    for (const name of names) {
      const path = this.#path(name)
      try {
        await unlink(path)
      } catch (error) {
        if (errorCodeOf(error) !== 'ENOENT') throw storageError(path, error)
      }
      folders.add(dirname(path))
    }
    for (const folder of folders) await this.#removeEmpty(folder)
  }

  async list(prefix: string): Promise<readonly string[]> {
    // Only the last part of a prefix can be a part of a name.
    const start = join(this.folder, prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : '')
    const names: string[] = []
    for (const path of await filesBelow(start)) {
      const name = relative(this.folder, path)
      if (name.startsWith(prefix) && !name.endsWith(temporarySuffix)) names.push(name)
    }
    return names.sort()
  }

  /**
   * Removes what crashes left of old checkpoints and `list` does not show: files that were being written, and empty folders.
   * @param oldestRetained nobody writes for an older checkpoint than this one (R10)
   */
  async sweepLeftovers(prefix: string, oldestRetained: number): Promise<void> {
    for (const folder of await foldersBelow(join(this.folder, prefix))) {
      const id = checkpointFolder.exec(basename(folder))?.[1]
      if (id === undefined || Number(id) >= oldestRetained) continue
      await this.#removeEmpty(folder)
    }
  }

  #path(name: string): string {
    if (!nameOfBlob.test(name)) throw new MillraceError('MR_INTERNAL', `${name} is no name of a blob.`)
    return join(this.folder, name)
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#makeFolders(dirname(path))
    await replaceDurably(path, bytes)
  }

  async #makeFolders(folder: string): Promise<void> {
    if (this.#durableFolders.has(folder)) return
    if (folder.length > this.folder.length) await this.#makeFolders(dirname(folder))
    await makeFolder(folder)
    // One a checkpoint: an older one is only made sure of again.
    if (this.#durableFolders.size >= 100) this.#durableFolders.clear()
    this.#durableFolders.add(folder)
  }

  /** A folder where nothing is left, but for what a crash left of a file, and those above it. */
  async #removeEmpty(folder: string): Promise<void> {
    try {
      const names = await readdir(folder)
      if (names.some((name) => !name.endsWith(temporarySuffix))) return
      for (const name of names) await unlink(join(folder, name))
      for (let empty = folder; empty.length > this.folder.length; empty = dirname(empty)) {
        await rmdir(empty)
        this.#durableFolders.delete(empty)
      }
    } catch {
      // Something is left in it, or someone writes into it after all: it stays.
    }
  }
}

async function foldersBelow(folder: string): Promise<readonly string[]> {
  return (await entriesBelow(folder))
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  return (await entriesBelow(folder))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

async function entriesBelow(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { recursive: true, withFileTypes: true })
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw storageError(folder, error)
  }
}

function readError(path: string, error: unknown): MillraceError {
  if (errorCodeOf(error) !== 'ENOENT') return storageError(path, error)
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `${path} is missing.`, { cause: error })
}
