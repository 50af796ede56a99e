import { mkdir, readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { MillraceError } from '../../common/errors.ts'
import { type CheckpointId, checkpointId } from '../../common/ids.ts'
import { errorCodeOf, makeFolder, storageError, syncFolder } from './durable-files.ts'
import { FolderCheckpointStore } from './folder-checkpoint-store.ts'

/** A completed checkpoint, with the run that made it. */
export interface FoundCheckpoint {
  readonly store: FolderCheckpointStore
  readonly id: CheckpointId
}

const runName = /^run-(\d+)$/
const checkpointName = /^chk-(\d+)(?:\.json)?$/

/** Makes the folder of a new run, `run-<k>`, by exclusive mkdir (R11). */
export async function createRunFolder(jobFolder: string): Promise<string> {
  try {
    await makeFolder(jobFolder)
    for (let number = ((await runNumbers(jobFolder))[0] ?? 0) + 1; ; number++) {
      const folder = join(jobFolder, `run-${number}`)
      try {
        await mkdir(folder)
      } catch (error) {
        if (errorCodeOf(error) === 'EEXIST') continue
        throw error
      }
      await syncFolder(jobFolder)
      return folder
    }
  } catch (error) {
    throw storageError(jobFolder, error)
  }
}

/** The stores of all runs of a job, newest first. */
export async function runStores(jobFolder: string): Promise<readonly FolderCheckpointStore[]> {
  return (await runNumbers(jobFolder)).map((number) => new FolderCheckpointStore(join(jobFolder, `run-${number}`)))
}

/** Completed checkpoints of all runs of a job, newest run first, and newest first within a run (R9). */
export async function completedCheckpoints(jobFolder: string): Promise<readonly FoundCheckpoint[]> {
  const found: FoundCheckpoint[] = []
  for (const number of await runNumbers(jobFolder)) {
    const store = new FolderCheckpointStore(join(jobFolder, `run-${number}`))
    for (const id of (await store.list()).toReversed()) found.push({ store, id })
  }
  return found
}

/** The newest over all runs; undefined: there is none. */
export async function latestCheckpoint(jobFolder: string): Promise<FoundCheckpoint | undefined> {
  for (const number of await runNumbers(jobFolder)) {
    const store = new FolderCheckpointStore(join(jobFolder, `run-${number}`))
    const id = (await store.list()).at(-1)
    if (id !== undefined) return { store, id }
  }
  return undefined
}

/**
 * The checkpoint that a person names: `chk-7` (of the newest run that has it), or the path of a record
 * (`…/run-3/records/chk-7.json`), of a run (`…/run-3`: its newest), or of a job's folder (its newest).
 * @throws MillraceError MR_CHECKPOINT_NOT_FOUND naming what was looked for and what there is
 */
export async function namedCheckpoint(jobFolder: string, reference: string): Promise<FoundCheckpoint> {
  const all = await completedCheckpoints(jobFolder)
  const digits = checkpointName.exec(reference)?.[1]
  const candidates = digits !== undefined ? all.filter(({ id }) => id === Number(digits)) : await atPath(reference)
  const inJobFolder = digits === undefined && candidates.length === 0 ? await atPath(join(jobFolder, reference)) : []
  const found = candidates[0] ?? inJobFolder[0]
  if (found !== undefined) return found
  const known = all.slice(0, 5).map(({ store, id }) => `chk-${id} of ${basename(store.runFolder)}`)
  throw new MillraceError(
    'MR_CHECKPOINT_NOT_FOUND',
    `There is no completed checkpoint ${reference}. ${known.length === 0 ? `${jobFolder} holds none` : `${jobFolder} holds ${known.join(', ')}`}.`,
  )
}

async function atPath(path: string): Promise<readonly FoundCheckpoint[]> {
  const absolute = resolve(path)
  const digits = checkpointName.exec(basename(absolute))?.[1]
  if (digits !== undefined) {
    const above = dirname(absolute)
    const store = new FolderCheckpointStore(basename(above) === 'records' ? dirname(above) : above)
    const id = checkpointId(Number(digits))
    return (await store.list()).includes(id) ? [{ store, id }] : []
  }
  const run = new FolderCheckpointStore(basename(absolute) === 'records' ? dirname(absolute) : absolute)
  const newest = (await run.list()).at(-1)
  return newest === undefined ? await completedCheckpoints(absolute) : [{ store: run, id: newest }]
}

/** Highest first. */
async function runNumbers(jobFolder: string): Promise<readonly number[]> {
  let names: readonly string[]
  try {
    names = await readdir(jobFolder)
  } catch (error) {
    const code = errorCodeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw storageError(jobFolder, error)
  }
  return names
    .map((name) => runName.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((left, right) => right - left)
}
