import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openRunStorage } from '../../../src/cli/run-storage.ts'
import { planOf } from '../coordinator/plans.ts'

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
