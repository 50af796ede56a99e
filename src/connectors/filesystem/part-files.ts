import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'

/** A part that is durable under its hidden name and waits for its checkpoint. */
export interface PendingPart {
  readonly folder: string
  readonly pending: string
  readonly final: string
}

export const pendingSuffix = '.pending'

/** A hidden file that grows by what is appended; operations run in order, and none follows one that failed. */
export class PartFile {
  readonly name: string
  readonly folder: string
  readonly #path: string
  readonly #handle: Promise<FileHandle>
  #last: Promise<unknown>

  constructor(folder: string, name: string, folderMade: Promise<unknown>) {
    this.name = name
    this.folder = folder
    this.#path = join(folder, name)
    this.#handle = folderMade.then(() => open(this.#path, 'wx'))
    this.#last = this.#handle
    // Told by the append or the seal that follows.
    this.#handle.catch(() => undefined)
  }

  append(content: string | Uint8Array): Promise<unknown> {
    this.#last = this.#last.then(async () => (await this.#handle).appendFile(content))
    return this.#last
  }

  /** Durable when it resolves: the bytes by fsync, the name by the caller's fsync of the folder. Nothing is left of one that fails. */
  async seal(): Promise<void> {
    try {
      await this.#last
      const handle = await this.#handle
      await handle.sync()
      await handle.close()
    } catch (error) {
      await this.discard()
      throw error
    }
  }

  async discard(): Promise<void> {
    // What went wrong before has failed the subtask already: only the file is left to close and to remove.
    await this.#last.catch(() => undefined)
    await this.#handle.then((handle) => handle.close()).catch(() => undefined)
    await rm(this.#path, { force: true }).catch(() => undefined)
  }
}

/** Renames a pending part to its final name; a missing pending part beside its final one counts as done (R21). */
export async function publish(part: PendingPart): Promise<void> {
  try {
    await rename(join(part.folder, part.pending), join(part.folder, part.final))
  } catch (error) {
    if (!isMissing(error)) {
      throw new MillraceError(
        'MR_SINK',
        `FileSink: can not publish ${join(part.folder, part.final)}: ${messageOf(error)}`,
        { cause: error },
      )
    }
    if (await exists(join(part.folder, part.final))) return
    throw new MillraceError(
      'MR_TRANSACTION_LOST',
      `FileSink: ${join(part.folder, part.pending)} is gone, and ${part.final} is not there either: output of a completed checkpoint is lost`,
      { cause: error },
    )
  }
}

/** @throws MillraceError MR_STATE_INCOMPATIBLE where the checkpoint lists something else */
export function pendingPart(committable: JsonValue): PendingPart {
  const part = committable as unknown as Partial<PendingPart> | null
  if (typeof part?.folder !== 'string' || typeof part.pending !== 'string' || typeof part.final !== 'string') {
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `FileSink: ${JSON.stringify(committable)} is no part of a file sink`,
    )
  }
  return { folder: part.folder, pending: part.pending, final: part.final }
}

export async function synchronizeFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Makes a folder whose name, and those of the folders around it, are durable too: also where another subtask has made them a
 * moment ago.
 */
export async function makeDurableFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (let child = folder; dirname(child) !== child; child = dirname(child)) {
    try {
      await synchronizeFolder(dirname(child))
    } catch (error) {
      // A folder that may not be read was there before, as were those around it.
      if (isRefused(error)) return
      throw error
    }
  }
}

/** Pending parts of this sink that nobody has changed for `ageMs`, those of `attemptId` left out. */
export async function removeAbandonedParts(
  folder: string,
  names: { readonly prefix: string; readonly attemptId: string },
  olderThanMs: number,
): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const { name, parentPath } = entry
    const isOurs = name.startsWith(`.${names.prefix}-`) && name.endsWith(pendingSuffix)
    if (!entry.isFile() || !isOurs || name.includes(`-${names.attemptId}.`)) continue
    const path = join(parentPath, name)
    try {
      if ((await stat(path)).mtimeMs < olderThanMs) await rm(path, { force: true })
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

function isMissing(error: unknown): boolean {
  return hasCode(error, ['ENOENT'])
}

function isRefused(error: unknown): boolean {
  return hasCode(error, ['EACCES', 'EPERM', 'EINVAL'])
}
