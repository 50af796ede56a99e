import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkpointId } from '../../../../src/common/ids.ts'
import { FolderBlobStore } from '../../../../src/state/filesystem/folder-blob-store.ts'
import { blobFolder, FolderCheckpointStore } from '../../../../src/state/filesystem/folder-checkpoint-store.ts'
import { createRunFolder } from '../../../../src/state/filesystem/job-folder.ts'
import { checkpointWith } from '../checkpoint-store-conformance.ts'

let jobFolder = ''

beforeEach(async () => {
  jobFolder = await mkdtemp(join(tmpdir(), 'millrace-retention-'))
})
afterEach(async () => {
  await rm(jobFolder, { recursive: true })
})

async function newRun() {
  const runFolder = await createRunFolder(jobFolder)
  return {
    runFolder,
    store: new FolderCheckpointStore(runFolder),
    blobs: new FolderBlobStore(blobFolder(runFolder)),
  }
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

test('retention in one run leaves every file of another run alone (R10)', async () => {
  const old = await newRun()
  for (const id of [1, 2, 3]) await old.store.complete(await checkpointWith(old.blobs, id, [`job/attempt/chk-${id}/0`]))
  const before = await filesOf(old.runFolder)
  const next = await newRun()
  for (const id of [1, 2, 3, 4]) {
    await next.store.complete(await checkpointWith(next.blobs, id, [`job/attempt/chk-${id}/0`]))
    await next.store.retain(1)
  }
  expect(await filesOf(old.runFolder)).toEqual(before)
  expect(await next.store.list()).toEqual([4])
})

test('what an open checkpoint names of its base stays, whatever is retained (R1, R10)', async () => {
  const { store, blobs } = await newRun()
  const [first, second] = ['job/attempt/chk-1/0', 'job/attempt/chk-2/0']
  await store.complete(await checkpointWith(blobs, 1, [first]))
  await store.complete(await checkpointWith(blobs, 2, [first, second]))
  // Begun on base 2, while the retention that follows the completion of 2 still goes on.
  const open = await checkpointWith(blobs, 3, [first, second, 'job/attempt/chk-3/0'])
  await store.retain(1)
  await store.complete(open)
  for (const name of [first, second, 'job/attempt/chk-3/0']) expect((await blobs.get(name)).toString()).toBe(name)
})

test('a manifest that is damaged keeps every blob, and is named', async () => {
  const { store, blobs, runFolder } = await newRun()
  for (const id of [1, 2, 3]) await store.complete(await checkpointWith(blobs, id, [`job/attempt/chk-${id}/0`]))
  const path = join(blobFolder(runFolder), 'job/attempt/chk-3/manifest')
  await writeFile(path, (await readFile(path, 'utf8')).replace('"attempt"', '"attempx"'))
  await expect(store.retain(2)).rejects.toMatchObject({
    code: 'MR_CHECKPOINT_DAMAGED',
    message: expect.stringContaining('job/attempt/chk-3/manifest'),
  })
  expect((await blobs.get('job/attempt/chk-1/0')).toString()).toBe('job/attempt/chk-1/0')
})

test('what a lost slot left of an old checkpoint goes, of the open one it stays', async () => {
  const { store, blobs, runFolder } = await newRun()
  const folder = blobFolder(runFolder)
  for (const id of [1, 5]) await store.complete(await checkpointWith(blobs, id, [`job/attempt/chk-${id}/0`]))
  for (const path of ['job/lost/chk-2', 'job/attempt/chk-3', 'job/lost/chk-4', 'job/attempt/chk-6']) {
    await mkdir(join(folder, path), { recursive: true })
    await writeFile(join(folder, path, '0.77-0-1.tmp'), 'half')
  }
  await store.retain(1)
  expect((await readdir(folder, { recursive: true })).toSorted()).toEqual(
    [
      ...['job', 'job/attempt', 'job/attempt/chk-5', 'job/attempt/chk-5/0', 'job/attempt/chk-5/manifest'],
      ...['job/attempt/chk-6', 'job/attempt/chk-6/0.77-0-1.tmp'],
    ].toSorted(),
  )
  expect(await store.isCommitted(checkpointId(5))).toBe(false)
})

test('blobs are put side by side though all folders are taken away in between', async () => {
  const { blobs, runFolder } = await newRun()
  const names = Array.from({ length: 30 }, (_, index) => `job/attempt-${index % 3}/chk-1/${index}`)
  await Promise.all(names.map((name) => blobs.put(name, Buffer.from(name))))
  await rm(blobFolder(runFolder), { recursive: true })
  await Promise.all(names.map((name) => blobs.put(name, Buffer.from(name))))
  expect(await blobs.list('')).toEqual(names.toSorted())
})
