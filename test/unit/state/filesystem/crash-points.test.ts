import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkpointId } from '../../../../src/common/ids.ts'
import { FolderBlobStore } from '../../../../src/state/filesystem/folder-blob-store.ts'
import { blobFolder, FolderCheckpointStore } from '../../../../src/state/filesystem/folder-checkpoint-store.ts'
import { completedCheckpoints, createRunFolder, latestCheckpoint } from '../../../../src/state/filesystem/job-folder.ts'
import { readManifest } from '../../../../src/state/subtask-manifest.ts'
import { checkpointWith, recordOf } from '../checkpoint-store-conformance.ts'
import { CrashDisk, type Luck } from './support/crash-disk.ts'

let root = ''

beforeAll(async () => {
  // The model says what fsync does; in memory it costs nothing.
  const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  root = await realpath(await mkdtemp(join(place, 'millrace-crash-')))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

/** What was promised so far: it must hold after a crash. */
interface Promised {
  runs: string[]
  begun: number
  completed: number
  committed: number
  /** Blobs of subtasks that have acknowledged an open checkpoint. */
  acknowledged: string[]
}

const jobFolderName = 'checkpoints/job'
const retained = 2

/** A run of four checkpoints, the third aborted, and one more; each names a blob of the one completed before, as deltas do (R1). */
async function twoRuns(jobFolder: string, promised: Promised): Promise<void> {
  for (let run = 0; run < 2; run++) {
    const runFolder = await createRunFolder(jobFolder)
    promised.runs.push(basename(runFolder))
    Object.assign(promised, { begun: 0, completed: 0, committed: 0, acknowledged: [] })
    const checkpointStore = new FolderCheckpointStore(runFolder)
    const blobStore = new FolderBlobStore(blobFolder(runFolder))
    for (let count = 0; count < (run === 0 ? 4 : 1); count++) {
      const id = await checkpointStore.begin()
      promised.begun = id
      const names = [`job/attempt/chk-${id}/0`]
      if (promised.completed > 0) names.push(`job/attempt/chk-${promised.completed}/0`)
      const record = await checkpointWith(blobStore, id, names)
      promised.acknowledged = names
      if (count === 2) continue // aborted
      await checkpointStore.complete(record)
      promised.completed = id
      await checkpointStore.markCommitted(id)
      promised.committed = id
      await checkpointStore.retain(retained)
    }
  }
}

/** Everything promised holds, and what is found is whole (R2, R3, R11, I6). */
async function check(jobFolder: string, promised: Promised): Promise<void> {
  const run = promised.runs.at(-1)
  for (const { store, id } of await completedCheckpoints(jobFolder)) {
    const record = await store.read(id)
    const blobStore = new FolderBlobStore(blobFolder(store.runFolder))
    for (const { manifest } of record.vertices.flatMap(({ subtasks }) => subtasks)) {
      const { blobs } = await readManifest(blobStore, manifest)
      for (const { name, checksum } of blobs) expect(crc32c(await blobStore.get(name)), name).toBe(checksum)
    }
  }
  if (run === undefined) return
  const store = new FolderCheckpointStore(join(jobFolder, run))
  if (promised.completed > 0) {
    const latest = await latestCheckpoint(jobFolder)
    expect(basename(latest?.store.runFolder ?? ''), 'the newest run').toBe(run)
    expect(latest?.id, 'the newest checkpoint').toBeGreaterThanOrEqual(promised.completed)
    await latest?.store.makeDurable(latest.id)
  }
  if (promised.committed > 0) {
    expect(await store.isCommitted(checkpointId(promised.committed)), 'the mark').toBe(true)
  }
  if (promised.begun > 0) {
    const blobStore = new FolderBlobStore(blobFolder(store.runFolder))
    for (const name of promised.acknowledged) expect((await blobStore.get(name)).toString()).toBe(name)
  }
  const next = await store.begin()
  expect(next, 'the next id').toBeGreaterThan(promised.begun)
  await expectSwept(store, next)
  expect(promised.runs, 'a new run').not.toContain(basename(await createRunFolder(jobFolder)))
}

/** After two more checkpoints nothing is left of what the crash left. */
async function expectSwept(store: FolderCheckpointStore, first: number): Promise<void> {
  const blobStore = new FolderBlobStore(blobFolder(store.runFolder))
  for (let id = first; id < first + retained; id++) {
    await store.complete(await checkpointWith(blobStore, id, [`job/attempt/chk-${id}/0`]))
  }
  await store.retain(retained)
  const left = await readdir(store.runFolder, { recursive: true })
  const attempt = 'blobs/job/attempt'
  const blobs = Array.from({ length: retained }, (_, index) => `${attempt}/chk-${first + index}`)
  const records = Array.from({ length: retained }, (_, index) => `records/chk-${first + index}.json`)
  const marks = left.filter((name) => name.startsWith('committed-') && Number(name.split('-')[1]) >= first)
  expect(left.toSorted()).toEqual(
    [
      ...['begun', 'blobs', 'blobs/job', attempt, 'records', ...records, ...marks],
      ...blobs.flatMap((folder) => [folder, `${folder}/0`, `${folder}/manifest`]),
    ].toSorted(),
  )
}

/** A fixed sequence of numbers in [0, 1), so that a failure can be repeated. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/*
 * The crash points are all points between two system calls that change something: after a temporary file was opened,
 * written, synchronised; after link or rename, before the temporary name is gone; before and after the fsync of the folder;
 * between the mkdir of a folder and the fsync of the one above; between the unlinking of a record, of its mark, and of
 * each of its blobs. At each the process may die alone (everything written stays), or with the machine.
 */
test('after a crash between any two system calls every promise holds, and what is left over is swept (R2, R3, R11)', async () => {
  const volume = join(root, 'volume')
  const disk = new CrashDisk(volume)
  const promised: Promised = { runs: [], begun: 0, completed: 0, committed: 0, acknowledged: [] }
  const crashes: { call: string; folder: string; promised: Promised }[] = []
  disk.onCall = async (call) => {
    const number = crashes.length
    const lucks: Luck[] = ['worst', number % 4 === 0 ? 'best' : numbersFrom(number)]
    for (const [index, luck] of lucks.entries()) {
      const folder = join(root, `crash-${number}-${index}`)
      await disk.layOut(folder, luck)
      crashes.push({ call: `call ${number}, ${call}, disk ${index}`, folder, promised: structuredClone(promised) })
    }
  }
  await onDisk(disk, () => twoRuns(join(volume, jobFolderName), promised))
  expect(crashes.length).toBeGreaterThan(150)
  const failures: string[] = []
  const checkNext = async (): Promise<void> => {
    for (let crash = crashes.pop(); crash !== undefined; crash = crashes.pop()) {
      const { call, folder } = crash
      await check(join(folder, jobFolderName), crash.promised).catch((error: unknown) => {
        failures.push(`${call}: ${String(error)}`)
      })
      await rm(folder, { recursive: true })
    }
  }
  await Promise.all(Array.from({ length: 4 }, checkNext))
  expect(failures).toEqual([])
}, 60_000)

test('a record of which the name could not be made sure of is durable when the repeated completion says that it exists (R3)', async () => {
  const volume = join(root, 'failing-fsync')
  const disk = new CrashDisk(volume)
  const runFolder = join(volume, 'run-1')
  const store = new FolderCheckpointStore(runFolder)
  const laidOut = join(root, 'after-failing-fsync')
  await onDisk(disk, async () => {
    disk.onCall = async (call) => {
      if (call === 'link run-1/records/chk-1.json') disk.failing = 'fsync run-1/records'
    }
    await expect(store.complete(recordOf(1))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    disk.failing = undefined
    await expect(store.complete(recordOf(1))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    await disk.layOut(laidOut, 'worst')
  })
  expect(await new FolderCheckpointStore(join(laidOut, 'run-1')).list()).toEqual([1])
})

test('nothing is left of a file that could not be written: on a full disk the next try needs the space', async () => {
  const volume = join(root, 'full')
  const disk = new CrashDisk(volume)
  const blobStore = new FolderBlobStore(join(volume, 'blobs'))
  const store = new FolderCheckpointStore(volume)
  await onDisk(disk, async () => {
    await store.begin()
    disk.failing = /^write /
    await expect(blobStore.put('job/attempt/chk-1/0', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    await expect(store.begin()).rejects.toMatchObject({ code: 'MR_STORAGE' })
    await expect(store.complete(recordOf(1))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    disk.failing = /^(rename|link) /
    await expect(blobStore.put('job/attempt/chk-1/0', Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    await expect(store.complete(recordOf(1))).rejects.toMatchObject({ code: 'MR_STORAGE' })
    disk.failing = undefined
  })
  const left = await readdir(volume, { recursive: true, withFileTypes: true })
  expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(['begun'])
  expect(await store.begin(), 'the id of the failed try is not used again (R2)').toBe(3)
})

async function onDisk(disk: CrashDisk, action: () => Promise<void>): Promise<void> {
  await mkdir(disk.root)
  const uninstall = disk.install()
  try {
    await action()
  } finally {
    uninstall()
  }
}
