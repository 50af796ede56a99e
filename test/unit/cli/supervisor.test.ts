import { expect, test } from 'vitest'
import { type RunObserver, Supervisor } from '../../../src/cli/supervisor.ts'
import { systemClock, systemRandom } from '../../../src/common/system-ports.ts'

interface Scripted {
  /** What the first working process does, and after a slash what those after it do. */
  readonly script: string
  readonly drain?: boolean
  readonly clock?: typeof systemClock
  readonly observer?: Partial<RunObserver>
}

function scripted({ script, drain = false, clock = systemClock, observer }: Scripted): Supervisor {
  const silent = {
    started: () => {},
    progress: () => {},
    processLost: () => {},
    stopping: () => {},
    startsSlowly: () => {},
    warning: () => {},
  }
  return new Supervisor({
    request: {
      jobFile: script,
      bundleUrl: '',
      arguments: [],
      configuration: {},
      from: undefined,
      acceptDuplicates: false,
    },
    drain,
    threadPoolSize: 4,
    clock,
    random: systemRandom,
    observer: { ...silent, ...observer },
    entry: new URL('./scripted-working-process.mjs', import.meta.url),
  })
}

test('a working process that crashes is started again until the restart strategy gives up (R30)', async () => {
  const lost: string[] = []
  const supervisor = scripted({ script: 'crash', observer: { processLost: (reason) => lost.push(reason) } })
  expect(await supervisor.run()).toMatchObject({ state: 'FAILED', error: { code: 'MR_RESTARTS_EXHAUSTED' } })
  expect(lost).toEqual(['exit code 7', 'exit code 7', 'exit code 7'])
})

test('a working process that is killed while the job is loaded is started again, three times at most', async () => {
  const lost: string[] = []
  const given = await scripted({
    script: 'killed-loading',
    observer: { processLost: (reason) => lost.push(reason) },
  }).run()
  expect(given).toMatchObject({ state: 'FAILED', error: { code: 'MR_RESTARTS_EXHAUSTED' } })
  expect(lost).toEqual(['signal SIGKILL', 'signal SIGKILL', 'signal SIGKILL'])
})

test('Ctrl-C while a restart is due ends the run at once, and nothing keeps the supervisor alive', async () => {
  let cancelled = false
  const cancel = (): void => {
    cancelled = true
  }
  const clock = { ...systemClock, schedule: () => ({ cancel }) }
  const supervisor: Supervisor = scripted({
    script: 'crash',
    clock,
    observer: { processLost: () => setImmediate(() => supervisor.stop()) },
  })
  expect(await supervisor.run()).toMatchObject({ state: 'SUSPENDED', error: undefined })
  expect(cancelled).toBe(true)
})

test('a working process that is lost before its last checkpoint is told, not hidden', async () => {
  const supervisor: Supervisor = scripted({
    script: 'crash-on-suspend',
    observer: { started: () => supervisor.stop() },
  })
  expect(await supervisor.run()).toMatchObject({ state: 'SUSPENDED', error: { code: 'MR_PROCESS_LOST' } })
})

test('a drain goes on in the working process that follows one that was lost', async () => {
  let stopped = false
  const supervisor: Supervisor = scripted({
    script: 'crash-on-drain / finish-on-drain',
    drain: true,
    observer: {
      started: () => {
        if (!stopped) supervisor.stop()
        stopped = true
      },
    },
  })
  expect(await supervisor.run()).toMatchObject({ state: 'FINISHED', error: undefined, totals: { restarts: 1 } })
})

test('a working process that can not go on is tried again, and says why', async () => {
  const lost: string[] = []
  const supervisor = scripted({ script: 'crash / refuse', observer: { processLost: (reason) => lost.push(reason) } })
  expect(await supervisor.run()).toMatchObject({
    state: 'FAILED',
    error: { code: 'MR_RESTARTS_EXHAUSTED', message: expect.stringContaining('MR_STORAGE: disk full') },
  })
  expect(lost).toEqual(['exit code 7', 'MR_STORAGE: disk full', 'MR_STORAGE: disk full'])
})

test('a job that ends the process while it is loaded, and one that throws later, are told as what they are', async () => {
  expect(await scripted({ script: 'exit' }).run()).toMatchObject({
    type: 'refused',
    error: { code: 'MR_JOB_DEFINITION', message: expect.stringContaining('exit code 0') },
  })
  expect(await scripted({ script: 'throw' }).run()).toMatchObject({
    type: 'refused',
    error: { code: 'MR_PROCESS_LOST', message: 'uncaught: boom' },
  })
})

test('Ctrl-C while the job is loaded ends it at once: nothing has run', async () => {
  const supervisor = scripted({ script: 'hang' })
  const outcome = supervisor.run()
  supervisor.stop()
  expect(await outcome).toMatchObject({ type: 'ended', jobName: undefined, state: 'CANCELED', error: undefined })
})

test('a job that does not come to its end of loading is told after a while, and then refused', async () => {
  const slow: number[] = []
  // The notice comes at once, the limit after it.
  const clock = {
    ...systemClock,
    schedule: (delayMs: number, action: () => void) => systemClock.schedule(delayMs / 1000, action),
  }
  const supervisor = scripted({ script: 'hang', clock, observer: { startsSlowly: (seconds) => slow.push(seconds) } })
  expect(await supervisor.run()).toMatchObject({
    type: 'refused',
    error: { code: 'MR_JOB_DEFINITION', message: expect.stringContaining('was still being loaded after 60 s') },
  })
  expect(slow).toEqual([10])
})

test('when nobody reads the output the working process is ended, and a job with checkpoints can go on', async () => {
  const ways: string[] = []
  const supervisor = scripted({ script: 'close-output', observer: { stopping: (how) => ways.push(how) } })
  expect(await supervisor.run()).toMatchObject({ state: 'SUSPENDED', error: undefined })
  expect(ways).toEqual(['outputClosed'])
})
