import { link, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { threadId } from 'node:worker_threads'
import { MillraceError, messageOf } from '../../common/errors.ts'

/** Files that are there, whole, once a promise has resolved, whatever happens to the machine afterwards (R3, R11). */

/** Ends the names of files that are being written; what a crash leaves of them is garbage. */
export const temporarySuffix = '.tmp'

let serial = 0

/** Unique within the machine: several processes and threads may write into one folder. */
function temporaryName(path: string): string {
  serial++
  return `${path}.${process.pid}-${threadId}-${serial}${temporarySuffix}`
}

export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** What the file system refused, as MR_STORAGE naming the path. */
export function storageError(path: string, error: unknown): MillraceError {
  return new MillraceError('MR_STORAGE', `${path}: ${messageOf(error)}`, { cause: error })
}

/** Written under a temporary name, then renamed: an older file of that name is replaced. */
export async function replaceDurably(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, bytes)
  try {
    await rename(temporary, path)
  } catch (error) {
    await removeQuietly(temporary)
    throw error
  }
  await syncFolder(dirname(path))
}

/**
 * The same, but by link(): exactly one writer wins (R11).
 * @throws Error with code EEXIST where a file of that name is there; that file is durable then, whoever wrote it
 */
export async function createDurably(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = await writeTemporary(path, bytes)
  try {
    await link(temporary, path)
  } catch (error) {
    // The bytes were synchronised before their name was made; of an earlier try the name may not have been (R3).
    if (errorCodeOf(error) === 'EEXIST') await syncFolder(dirname(path))
    throw error
  } finally {
    await removeQuietly(temporary)
  }
  await syncFolder(dirname(path))
}

/** Its name; nothing is left of one that could not be written: on a full disk the next try needs the space. */
async function writeTemporary(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = temporaryName(path)
  // A crashed process may have had the same id and left a file of this name: nobody else writes it now.
  const file = await open(temporary, 'w')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } catch (error) {
    await removeQuietly(temporary)
    throw error
  } finally {
    await file.close()
  }
  return temporary
}

/** What can not be removed now is a leftover, as of a crash. */
async function removeQuietly(temporary: string): Promise<void> {
  await unlink(temporary).catch(() => undefined)
}

/**
 * Makes the folder, and those above it from the top down, so that what is above an existing folder is durable. Its own
 * name may not be, where someone else has only just made it or a crash came between: it is synchronised in any case.
 */
export async function makeFolder(path: string): Promise<void> {
  if (!(await tryMakeFolder(path))) {
    await makeFolder(dirname(path))
    if (!(await tryMakeFolder(path))) throw Object.assign(new Error('its folder is gone again'), { code: 'ENOENT' })
  }
  await syncFolder(dirname(path))
}

/** Makes it where it is not there. False: the folder above is missing. */
async function tryMakeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch (error) {
    const code = errorCodeOf(error)
    if (code === 'ENOENT' && dirname(path) !== path) return false
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return true
    throw error
  }
}

export async function syncFolder(path: string): Promise<void> {
  await syncFile(path)
}

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
