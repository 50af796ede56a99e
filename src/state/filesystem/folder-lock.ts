import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import { makeFolder, storageError } from './durable-files.ts'

/** A new run waits so long for one that is dying: a worker may outlive its supervisor for a moment (R30). */
const waitMs = 5000
const pollMs = 50
const sqliteBusy = 5

/** A lock that the operating system frees when this process ends, however it ends. */
export interface FolderLock {
  release(): void
}

/** Locks live as long as their database is open: it must not be collected as garbage before `release`. */
const held = new Set<DatabaseSync>()

/**
 * R11: an exclusive SQLite transaction on the file `lock` of the folder.
 * @throws MillraceError MR_RUN_LOCKED naming the process that holds it; MR_STORAGE
 */
export async function lockFolder(folder: string, clock: Clock): Promise<FolderLock> {
  const path = join(folder, 'lock')
  const holder = join(folder, 'lock-holder')
  const deadline = clock.monotonicMs() + waitMs
  try {
    await makeFolder(folder)
    const database = new DatabaseSync(path)
    while (!isLockedBy(database)) {
      if (clock.monotonicMs() >= deadline) {
        database.close()
        throw await lockedError(folder, holder)
      }
      await new Promise<void>((resolve) => clock.schedule(pollMs, resolve))
    }
    held.add(database)
    // For people only: a full disk must not keep the job from starting.
    await writeFile(holder, `${process.pid}\n`).catch(() => undefined)
    return {
      release: () => {
        if (held.delete(database)) database.close()
      },
    }
  } catch (error) {
    throw error instanceof MillraceError ? error : storageError(path, error)
  }
}

function isLockedBy(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy) return false
    database.close()
    throw error
  }
}

async function lockedError(folder: string, holder: string): Promise<MillraceError> {
  const text = await readFile(holder, 'utf8').catch(() => '')
  const processId = /^\d+$/.exec(text.trim())?.[0]
  const name = processId === undefined ? 'another process' : `process ${processId}`
  return new MillraceError('MR_RUN_LOCKED', `${folder} is in use: ${name} runs a job with its checkpoints there.`)
}
