import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../../src/common/system-ports.ts'
import { lockFolder } from '../../../../src/state/filesystem/folder-lock.ts'

const lockModule = fileURLToPath(new URL('../../../../src/state/filesystem/folder-lock.ts', import.meta.url))
const clockModule = fileURLToPath(new URL('../../../../src/common/system-ports.ts', import.meta.url))
let folder = ''
let children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-lock-'))
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

/** Another process that holds the lock. */
async function holder(): Promise<ChildProcess> {
  const script = `
    const { lockFolder } = await import(${JSON.stringify(lockModule)})
    const { systemClock } = await import(${JSON.stringify(clockModule)})
    await lockFolder(process.argv[1], systemClock)
    console.log('locked')
    setInterval(() => {}, 1000)
  `
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, folder]
  const child = spawn(process.execPath, args)
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

test('a second process waits for a holder that is dying, and then has the lock (R30)', async () => {
  const dying = await holder()
  const waiting = lockFolder(folder, systemClock)
  systemClock.schedule(200, () => dying.kill('SIGKILL'))
  const lock = await waiting
  lock.release()
})

test('a holder that is stopped, not dead, keeps its lock and is named (R11)', async () => {
  const stopped = await holder()
  stopped.kill('SIGSTOP')
  let waited = 0
  const clock = { ...systemClock, monotonicMs: () => waited++ * 1000 }
  await expect(lockFolder(folder, clock)).rejects.toMatchObject({
    code: 'MR_RUN_LOCKED',
    message: expect.stringContaining(`process ${stopped.pid}`),
  })
  stopped.kill('SIGKILL')
  const lock = await lockFolder(folder, systemClock)
  lock.release()
})

test('a lock is kept though the note of its holder is gone or empty', async () => {
  const child = await holder()
  await writeFile(join(folder, 'lock-holder'), '')
  let waited = 0
  const clock = { ...systemClock, monotonicMs: () => waited++ * 1000 }
  await expect(lockFolder(folder, clock)).rejects.toMatchObject({
    code: 'MR_RUN_LOCKED',
    message: expect.stringContaining('another process'),
  })
  child.kill('SIGKILL')
})
