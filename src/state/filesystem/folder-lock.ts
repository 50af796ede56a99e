import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import { makeFolder, storageError } from './durable-files.ts'

export interface FolderLock {
  release(): void
}

/** A process that was just killed, or whose supervisor was, needs a moment to end. */
const waitMs = 5000
const pauseMs = 50

/**
 * Takes the exclusive lock of a folder for the life of this process (R11): an exclusive transaction of SQLite, so that
 * the kernel frees it however the process ends. Waits up to 5 s for a holder that is ending (R30).
 * @throws MillraceError MR_RUN_LOCKED naming the holder
 */
export async function lockFolder(folder: string, clock: Clock): Promise<FolderLock> {
  await makeFolder(folder).catch((error: unknown) => {
    throw storageError(`can not make ${folder}`, error)
  })
  const deadline = clock.monotonicMs() + waitMs
  for (;;) {
    const lock = tryLock(folder)
    if (lock !== undefined) {
      await writeFile(holderFile(folder), `${process.pid}\n`)
      return lock
    }
    if (clock.monotonicMs() >= deadline) throw await lockedError(folder)
    await new Promise<void>((resolve) => void clock.schedule(pauseMs, resolve))
  }
}

function tryLock(folder: string): FolderLock | undefined {
  const path = join(folder, 'lock.sqlite')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    database.exec('BEGIN EXCLUSIVE')
    const held = database
    return { release: () => held.close() }
  } catch (error) {
    database?.close()
    if (/locked|busy/i.test(messageOf(error))) return undefined
    throw storageError(`can not lock ${path}`, error)
  }
}

async function lockedError(folder: string): Promise<MillraceError> {
  const holder = await readFile(holderFile(folder), 'utf8').catch(() => '')
  const who = holder.trim() === '' ? 'another process' : `process ${holder.trim()}`
  return new MillraceError('MR_RUN_LOCKED', `${who} runs this job on ${folder}`)
}

/** Only for messages: the lock itself knows no names. */
function holderFile(folder: string): string {
  return join(folder, 'lock.holder')
}
