import { open, readdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import type { BlobStore } from '../blob-store.ts'
import { errorCodeOf, makeFolder, replaceDurably, storageError, temporarySuffix } from './durable-files.ts'

const nameOfBlob = /^(?!\.)[\w.-]+(?:\/(?!\.)[\w.-]+)*$/

/** Blobs as files of a folder, by their name as a path. What a checksum says is judged by those who hold the reference. */
export class FolderBlobStore implements BlobStore {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name)
    try {
      await makeFolder(dirname(path))
      await replaceDurably(path, bytes)
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

  #path(name: string): string {
    if (!nameOfBlob.test(name)) throw new MillraceError('MR_INTERNAL', `${name} is no name of a blob.`)
    return join(this.folder, name)
  }

  /** A folder where nothing is left, but for what a crash left of a file, and those above it. */
  async #removeEmpty(folder: string): Promise<void> {
    if (folder.length <= this.folder.length) return
    const files = await filesBelow(folder)
    if (files.some((file) => !file.endsWith(temporarySuffix))) return
    try {
      for (const file of files) await unlink(file)
      await rmdir(folder)
    } catch {
      // Someone writes into it after all: it stays.
      return
    }
    await this.#removeEmpty(dirname(folder))
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return []
    throw storageError(folder, error)
  }
}

function readError(path: string, error: unknown): MillraceError {
  if (errorCodeOf(error) !== 'ENOENT') return storageError(path, error)
  return new MillraceError('MR_CHECKPOINT_DAMAGED', `${path} is missing.`, { cause: error })
}
