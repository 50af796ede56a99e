import { open, readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import type { BlobStore } from '../blob-store.ts'
import { missing, tooShort } from '../memory-blob-store.ts'
import { hasCode, makeFolder, replaceDurably, storageError } from './durable-files.ts'

/** Blobs as files below a folder: fsync'ed with their names before `put` resolves (R3). Any thread may have one of its own. */
export class FolderBlobStore implements BlobStore {
  readonly #folder: string
  /** Folders that this instance has made or found. */
  readonly #made = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name)
    const folder = dirname(path)
    try {
      if (!this.#made.has(folder)) {
        await makeFolder(folder)
        this.#made.add(folder)
      }
      await replaceDurably(folder, posix.basename(name), bytes)
    } catch (error) {
      throw storageError(`can not write ${path}`, error)
    }
  }

  async get(name: string): Promise<Buffer> {
    const path = this.#path(name)
    try {
      return await readFile(path)
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? missing(path) : storageError(`can not read ${path}`, error)
    }
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    const path = this.#path(name)
    try {
      const handle = await open(path, 'r')
      try {
        const bytes = Buffer.allocUnsafeSlow(length)
        const { bytesRead } = await handle.read(bytes, 0, length, offset)
        if (bytesRead < length) throw tooShort(path, offset + bytesRead)
        return bytes
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (error instanceof MillraceError) throw error
      throw hasCode(error, 'ENOENT') ? missing(path) : storageError(`can not read ${path}`, error)
    }
  }

  async delete(names: readonly string[]): Promise<void> {
    const folders = new Set<string>()
    for (const name of names) {
      const path = this.#path(name)
      try {
        await rm(path, { force: true })
      } catch (error) {
        throw storageError(`can not delete ${path}`, error)
      }
      folders.add(dirname(path))
    }
    for (const folder of folders) await this.#removeIfEmpty(folder)
  }

  async list(prefix: string): Promise<readonly string[]> {
    const names: string[] = []
    for (const path of await this.#files()) {
      if (path.startsWith(prefix) && !path.endsWith('.partial')) names.push(path)
    }
    return names.sort()
  }

  async #files(): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true })
      const start = join(this.#folder, '/').length
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(start).replaceAll('\\', '/'))
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return []
      throw storageError(`can not list ${this.#folder}`, error)
    }
  }

  /** Of a checkpoint whose blobs are all gone, and of its attempt. */
  async #removeIfEmpty(folder: string): Promise<void> {
    for (let empty = folder; empty.length > this.#folder.length; empty = dirname(empty)) {
      try {
        await rmdir(empty)
        this.#made.delete(empty)
      } catch {
        return // not empty, or gone already: nothing depends on it
      }
    }
  }

  #path(name: string): string {
    if (!/^[\w.-]+(\/[\w.-]+)*$/.test(name) || name.split('/').some((part) => /^\.+$/.test(part))) {
      throw new MillraceError('MR_INTERNAL', `${JSON.stringify(name)} is no name of a blob`)
    }
    return join(this.#folder, name)
  }
}
