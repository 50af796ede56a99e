import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openRunStorage } from '../../../src/cli/run-storage.ts'
import { FolderCheckpointStore } from '../../../src/state/filesystem/folder-checkpoint-store.ts'
import { planOf } from '../coordinator/plans.ts'
import { recordOf } from '../state/checkpoint-store-conformance.ts'

test('a run that starts from a checkpoint holds the lock of its folder, also where it takes none itself (R11)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-run-storage-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const plan = planOf([{ name: 'source', parallelism: 1, kind: 'source' }])
  const configuration = { ...plan.configuration, checkpointing: undefined }
  const request = {
    jobFile: 'job.ts',
    bundleUrl: '',
    arguments: [],
    configuration: { 'execution.checkpointing.dir': folder },
    from: 'latest',
    acceptDuplicates: false,
  }
  const storage = await openRunStorage(request, { ...plan, configuration }, undefined)
  onTestFinished(() => storage.close())
  expect(storage.checkpointStore).toBe(undefined)
  expect(existsSync(join(folder, 'lock-holder'))).toBe(true)
})

test('the checkpoints of another job in the same folder are not taken for the newest of this one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-run-storage-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  await new FolderCheckpointStore(join(folder, 'run-3')).complete({ ...recordOf(1), jobName: 'another job' })
  const plan = planOf([{ name: 'source', parallelism: 1, kind: 'source' }])
  const request = {
    jobFile: 'job.ts',
    bundleUrl: '',
    arguments: [],
    configuration: { 'execution.checkpointing.dir': folder },
    acceptDuplicates: false,
  }
  for (const from of ['latest', 'chk-1']) {
    await expect(openRunStorage({ ...request, from }, plan, undefined)).rejects.toMatchObject({
      code: 'MR_CONFIGURATION',
      message: `--from ${from}: checkpoint 1 of run-3 in ${folder} is of job 'another job', not of '${plan.jobName}': give each job an execution.checkpointing.dir of its own, or name the checkpoint by its path`,
    })
  }
  const named = await openRunStorage({ ...request, from: join(folder, 'run-3') }, plan, undefined)
  onTestFinished(() => named.close())
  expect(named.restore?.record.jobName).toBe('another job')
})
