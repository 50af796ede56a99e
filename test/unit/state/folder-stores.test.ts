import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkpointId } from '../../../src/common/ids.ts'
import type { Clock } from '../../../src/common/ports.ts'
import { FolderBlobStore } from '../../../src/state/filesystem/folder-blob-store.ts'
import { blobFolder, FolderCheckpointStore } from '../../../src/state/filesystem/folder-checkpoint-store.ts'
import { lockFolder } from '../../../src/state/filesystem/folder-lock.ts'
import {
  completedCheckpoints,
  createRunFolder,
  latestCheckpoint,
  namedCheckpoint,
} from '../../../src/state/filesystem/job-folder.ts'
import { testBlobStore } from './blob-store-conformance.ts'
import { recordOf, testCheckpointStore } from './checkpoint-store-conformance.ts'

let root = ''
let folders = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-state-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

function newFolder(): string {
  folders++
  return join(root, `folder ${folders}`)
}

/** Time passes only by waiting. */
function impatientClock(): Clock {
  let now = 0
  return {
    now: () => now,
    monotonicMs: () => now,
    schedule: (delayMs, action) => {
      now += delayMs
      setImmediate(action)
      return { cancel: () => undefined }
    },
  }
}

testBlobStore('FolderBlobStore', async () => new FolderBlobStore(newFolder()))
testCheckpointStore('FolderCheckpointStore', async () => {
  const runFolder = newFolder()
  return {
    blobStore: new FolderBlobStore(blobFolder(runFolder)),
    checkpointStore: new FolderCheckpointStore(runFolder),
  }
})

test('a name that would leave the folder of blobs is refused', async () => {
  const store = new FolderBlobStore(newFolder())
  for (const name of ['../x', 'a/../../x', '/etc/x', 'a//b', '.hidden', 'a/.', '']) {
    await expect(store.put(name, Buffer.from('x'))).rejects.toMatchObject({ code: 'MR_INTERNAL' })
  }
})

test('what a crash left of a blob that was being written is never listed, and goes with its folder', async () => {
  const folder = newFolder()
  const store = new FolderBlobStore(folder)
  await store.put('job/attempt/chk-1/0', Buffer.from('x'))
  await writeFile(join(folder, 'job/attempt/chk-1/1.123-0-1.tmp'), 'hal')
  expect(await store.list('')).toEqual(['job/attempt/chk-1/0'])
  await store.delete(['job/attempt/chk-1/0'])
  expect(await readdir(folder)).toEqual([])
})

test('begun ids outlive the process, also those without a record (R2)', async () => {
  const runFolder = newFolder()
  const first = new FolderCheckpointStore(runFolder)
  await first.begin()
  await first.complete(recordOf(1))
  await first.begin()
  expect(await new FolderCheckpointStore(runFolder).begin()).toBe(3)
})

test('ids go on above the records where the file of begun ids is lost', async () => {
  const runFolder = newFolder()
  await new FolderCheckpointStore(runFolder).complete(recordOf(7))
  expect(await new FolderCheckpointStore(runFolder).begin()).toBe(8)
})

test('two stores that complete the same id: exactly one wins (R11)', async () => {
  const runFolder = newFolder()
  const stores = [1, 2, 3, 4].map(() => new FolderCheckpointStore(runFolder))
  const results = await Promise.allSettled(stores.map((store) => store.complete(recordOf(1))))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await readdir(join(runFolder, 'records'))).toEqual(['chk-1.json'])
})

test('a damaged record is MR_CHECKPOINT_DAMAGED and names its file (I6)', async () => {
  const runFolder = newFolder()
  const store = new FolderCheckpointStore(runFolder)
  await store.complete(recordOf(1))
  await store.complete(recordOf(2))
  const path = join(runFolder, 'records', 'chk-1.json')
  await writeFile(path, (await readFile(path, 'utf8')).replace('"offset": 7', '"offset": 8'))
  const torn = join(runFolder, 'records', 'chk-2.json')
  await writeFile(torn, (await readFile(torn, 'utf8')).slice(0, 100))
  for (const [id, file] of [
    [1, path],
    [2, torn],
  ] as const) {
    await expect(store.read(checkpointId(id))).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_DAMAGED',
      message: expect.stringContaining(file),
    })
  }
})

test('runs are numbered, the newest completed checkpoint is of the newest run that has one, and others are found by name and path', async () => {
  const jobFolder = newFolder()
  expect(await latestCheckpoint(jobFolder)).toBeUndefined()
  const runs = [await createRunFolder(jobFolder), await createRunFolder(jobFolder), await createRunFolder(jobFolder)]
  expect(runs.map((run) => run.slice(jobFolder.length + 1))).toEqual(['run-1', 'run-2', 'run-3'])
  const [first, second] = [runs[0] ?? '', runs[1] ?? '']
  for (const id of [1, 2, 9]) await new FolderCheckpointStore(first).complete(recordOf(id))
  for (const id of [1, 2]) await new FolderCheckpointStore(second).complete(recordOf(id))

  const place = ({ store, id }: { store: FolderCheckpointStore; id: number }) => [store.runFolder, id]
  expect(place((await latestCheckpoint(jobFolder)) as never)).toEqual([second, 2])
  expect((await completedCheckpoints(jobFolder)).map(place)).toEqual([
    [second, 2],
    [second, 1],
    [first, 9],
    [first, 2],
    [first, 1],
  ])
  const named = async (reference: string) => place(await namedCheckpoint(jobFolder, reference))
  expect(await named('chk-1')).toEqual([second, 1])
  expect(await named('chk-9')).toEqual([first, 9])
  expect(await named(first)).toEqual([first, 9])
  expect(await named('run-1')).toEqual([first, 9])
  expect(await named(jobFolder)).toEqual([second, 2])
  expect(await named(join(first, 'records', 'chk-2.json'))).toEqual([first, 2])
  expect(await named(join(first, 'chk-2'))).toEqual([first, 2])
  for (const reference of ['chk-5', 'run-3', join(first, 'records', 'chk-3.json'), '/nowhere']) {
    await expect(namedCheckpoint(jobFolder, reference)).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_NOT_FOUND',
      message: expect.stringMatching(/holds chk-2 of run-2, chk-1 of run-2/),
    })
  }
})

test('a second run on the same folder waits, then fails and names the first (R11)', async () => {
  const folder = newFolder()
  const lock = await lockFolder(folder, impatientClock())
  await expect(lockFolder(folder, impatientClock())).rejects.toMatchObject({
    code: 'MR_RUN_LOCKED',
    message: expect.stringContaining(`process ${process.pid}`),
  })
  lock.release()
  lock.release()
  const second = await lockFolder(folder, impatientClock())
  second.release()
})

test('the lock of a process that was killed is free', async () => {
  const folder = newFolder()
  const lock = await lockFolder(folder, impatientClock())
  lock.release()
  const script = `
    const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(process.argv[1])
    database.exec('BEGIN EXCLUSIVE')
    console.log('locked')
    setInterval(() => database.isOpen, 1000)
  `
  const child = spawn(process.execPath, ['-e', script, join(folder, 'lock')])
  await once(child.stdout, 'data')
  await expect(lockFolder(folder, impatientClock())).rejects.toMatchObject({ code: 'MR_RUN_LOCKED' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  const second = await lockFolder(folder, impatientClock())
  second.release()
})

test('a lock file that is no lock is MR_STORAGE and names it', async () => {
  const folder = newFolder()
  const lock = await lockFolder(folder, impatientClock())
  lock.release()
  await appendFile(join(folder, 'lock'), 'this is no database'.repeat(1000))
  await expect(lockFolder(folder, impatientClock())).rejects.toMatchObject({
    code: 'MR_STORAGE',
    message: expect.stringContaining(join(folder, 'lock')),
  })
})
