import { link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError, messageOf } from '../../common/errors.ts'

/** Makes the names in a folder durable: a file's own fsync does not cover its name. */
export async function synchronizeFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder and its missing parents, durably. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await synchronizeFolder(dirname(made))
}

async function writeSynchronized(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'w')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a file whole or not at all, durable when it resolves; an older one of the name is replaced. */
export async function replaceDurably(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, `${name}.partial`)
  await writeSynchronized(temporary, bytes)
  await rename(temporary, join(folder, name))
  await synchronizeFolder(folder)
}

/**
 * Writes a file that must not exist yet, whole or not at all, durable when it resolves (R11: a temporary name, fsync,
 * link to the final one, fsync of the folder). False: the name is taken.
 */
export async function createDurably(folder: string, name: string, bytes: Uint8Array): Promise<boolean> {
  const temporary = join(folder, `.${name}.partial`)
  await writeSynchronized(temporary, bytes)
  try {
    await link(temporary, join(folder, name))
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await unlink(temporary)
  }
  await synchronizeFolder(folder)
  return true
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

export function storageError(what: string, error: unknown): MillraceError {
  return new MillraceError('MR_STORAGE', `${what}: ${messageOf(error)}`, { cause: error })
}
