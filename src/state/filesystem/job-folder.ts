import { mkdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { type CheckpointId, checkpointId } from '../../common/ids.ts'
import { hasCode, makeFolder, storageError, synchronizeFolder } from './durable-files.ts'
import { FolderCheckpointStore, namesIn } from './folder-checkpoint-store.ts'

/** A completed checkpoint in a run's folder. */
export interface FoundCheckpoint {
  readonly store: FolderCheckpointStore
  readonly id: CheckpointId
}

/** Run folders `run-<k>` of a job, oldest first. */
export async function runFolders(jobFolder: string): Promise<readonly string[]> {
  const names = await namesIn(jobFolder)
  return names
    .map((name) => ({ name, number: Number(/^run-(\d+)$/.exec(name)?.[1]) }))
    .filter(({ number }) => !Number.isNaN(number))
    .sort((a, b) => a.number - b.number)
    .map(({ name }) => join(jobFolder, name))
}

/** Makes the next `run-<k>` by an exclusive mkdir (R11). */
export async function createRunFolder(jobFolder: string): Promise<string> {
  try {
    await makeFolder(jobFolder)
    const last = (await runFolders(jobFolder)).at(-1)
    for (let number = last === undefined ? 1 : Number(basename(last).slice('run-'.length)) + 1; ; number++) {
      const folder = join(jobFolder, `run-${number}`)
      try {
        await mkdir(folder)
      } catch (error) {
        if (hasCode(error, 'EEXIST')) continue
        throw error
      }
      await synchronizeFolder(jobFolder)
      return folder
    }
  } catch (error) {
    throw storageError(`can not make a run's folder in ${jobFolder}`, error)
  }
}

/** The newest completed checkpoint over all runs of the job; undefined: there is none. */
export async function latestCheckpoint(jobFolder: string): Promise<FoundCheckpoint | undefined> {
  for (const folder of (await runFolders(jobFolder)).toReversed()) {
    const found = await newestOf(folder)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * The checkpoint that a person names: `chk-<n>` of the newest run that has it, a run's folder (its newest), or a record's
 * path with or without `.json`.
 * @throws MillraceError MR_CHECKPOINT_NOT_FOUND
 */
export async function namedCheckpoint(jobFolder: string, name: string): Promise<FoundCheckpoint> {
  const found = /^chk-\d+$/.test(name) ? await ofAnyRun(jobFolder, idOf(name)) : await atPath(resolve(name))
  if (found === undefined) {
    throw new MillraceError(
      'MR_CHECKPOINT_NOT_FOUND',
      `there is no completed checkpoint ${name} (checkpoints of this job are in ${jobFolder})`,
    )
  }
  return found
}

async function newestOf(runFolder: string): Promise<FoundCheckpoint | undefined> {
  const store = new FolderCheckpointStore(runFolder)
  const id = (await store.list()).at(-1)
  return id === undefined ? undefined : { store, id }
}

async function ofAnyRun(jobFolder: string, id: CheckpointId): Promise<FoundCheckpoint | undefined> {
  for (const folder of (await runFolders(jobFolder)).toReversed()) {
    const store = new FolderCheckpointStore(folder)
    if ((await store.list()).includes(id)) return { store, id }
  }
  return undefined
}

async function atPath(path: string): Promise<FoundCheckpoint | undefined> {
  if (/^chk-\d+(\.json)?$/.test(basename(path))) {
    const store = new FolderCheckpointStore(dirname(dirname(path)))
    const id = idOf(basename(path))
    return (await store.list()).includes(id) ? { store, id } : undefined
  }
  return (await newestOf(path)) ?? (await latestCheckpoint(path))
}

function idOf(name: string): CheckpointId {
  return checkpointId(Number(/\d+/.exec(name)?.[0]))
}
