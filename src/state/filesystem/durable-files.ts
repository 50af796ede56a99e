import { link, mkdir, open, rename, unlink } from 'node:fs/promises'
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
  await written(path, bytes, (temporary) => rename(temporary, path))
}

/**
 * The same, but by link(): exactly one writer wins (R11).
 * @throws Error with code EEXIST where a file of that name is there
 */
export async function createDurably(path: string, bytes: Uint8Array): Promise<void> {
  await written(path, bytes, async (temporary) => {
    try {
      await link(temporary, path)
    } finally {
      await unlink(temporary)
    }
  })
}

async function written(path: string, bytes: Uint8Array, publish: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path)
  const file = await open(temporary, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await publish(temporary)
  await syncFolder(dirname(path))
}

/** Makes the folder and those above it, where they are missing. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  // Each new folder is an entry of the one above it.
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncFolder(dirname(folder))
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
