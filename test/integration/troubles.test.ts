import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fullDrill, pause, processesIn } from './support/drill.ts'
import { type CommandResult, isAlive, millrace, publishedRecords, startMillrace, until } from './support/millrace.ts'
import { type NumberTotal, numberFaults } from './support/numbers.ts'

const numbers = fullDrill ? 1_000_000 : 60_000
let folder: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'troubles-')))
})
afterEach(async () => {
  await until('the end of all processes', () => processesIn(folder).length === 0)
  rmSync(folder, { recursive: true, force: true })
})

interface Run {
  readonly job: string
  readonly settings?: Readonly<Record<string, string>>
  readonly parallelism?: number
  readonly from?: string
  readonly args: readonly string[]
}

function argumentsOf({ job, settings = {}, parallelism = 2, from, args }: Run): string[] {
  const definitions = Object.entries({
    'execution.checkpointing.interval': '200ms',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '100',
    'restart-strategy.fixed-delay.delay': '50ms',
    ...settings,
  }).flatMap(([key, value]) => ['-D', `${key}=${value}`])
  const start = from === undefined ? [] : ['--from', from]
  const file = resolve(import.meta.dirname, 'jobs', `${job}.ts`)
  return ['run', file, '-p', String(parallelism), ...start, '--json', ...definitions, '--', ...args]
}

function run(options: Run): Promise<CommandResult> {
  return millrace(argumentsOf(options), { cwd: folder })
}

interface Summary {
  readonly state: string
  readonly checkpoints: number
  readonly restarts: number
}

function summaryOf({ stdout }: CommandResult): Summary {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Summary
}

function totals(): NumberTotal[] {
  return publishedRecords<NumberTotal>(join(folder, 'out'))
}

test('a function that throws, an exit, a timer, a promise and a heap that runs full are named, restart their region, and change no result', async () => {
  const result = await run({
    job: 'trouble',
    settings: { 'taskmanager.memory.task.heap.size': '150mb' },
    args: ['throw,exit,timer,rejection,leak', String(numbers), 'out', '4'],
  })
  expect(result.code, result.stderr).toBe(0)
  expect(summaryOf(result).state).toBe('FINISHED')
  expect(summaryOf(result).restarts).toBeGreaterThanOrEqual(5)
  for (const named of [
    'MR_USER_FUNCTION: map of operator "Map" threw Error: a function that throws',
    'MR_SLOT_LOST: the thread of slot 0 has ended: the thread of the slot ended with exit code 3: process.exit in a function of the job?',
    'MR_SLOT_LOST: the thread of slot 0 has ended: uncaught in the thread of the slot: a timer that throws',
    'MR_SLOT_LOST: the thread of slot 0 has ended: uncaught in the thread of the slot: a promise that nobody handles',
    "MR_SLOT_OUT_OF_MEMORY: the slot's heap holds",
  ]) {
    expect(result.stderr).toContain(named)
  }
  expect(numberFaults(totals(), numbers)).toEqual([])
})

test('slots that die at random moments, also while they restore and commit, change no result', async () => {
  const [deaths, lifeMs] = fullDrill ? [40, 2500] : [4, 1200]
  const args = [String(deaths), String(fullDrill ? 200_000 : 40_000), 'out', '16', String(lifeMs)]
  const result = await run({ job: 'mortal-slots', settings: { 'restart-strategy.fixed-delay.attempts': '1000' }, args })
  expect(result.code, result.stderr).toBe(0)
  expect(numberFaults(totals(), Number(args[1]))).toEqual([])
  expect(summaryOf(result).restarts).toBeGreaterThanOrEqual(1)
}, 600_000)

test('the failures of one region leave the other region its attempts and its pending output (R13)', async () => {
  const result = await run({ job: 'regions', args: [String(numbers), 'out', '3', '5'] })
  expect(result.code, result.stderr).toBe(0)
  expect(summaryOf(result).restarts).toBe(3)
  for (const part of ['failing', 'steady']) {
    const published = publishedRecords<NumberTotal>(join(folder, 'out', part))
    expect(numberFaults(published, numbers), part).toEqual([])
  }
  const attempts = readdirSync(join(folder, 'out', 'steady')).map(
    (name) => /^part-\w+-\d+-(.*)-\d+\.jsonl$/.exec(name)?.[1],
  )
  expect(new Set(attempts).size, attempts.join(', ')).toBe(2)
})

test('checkpoints that time out behind a slow sink are aborted, and their output comes with a later one', async () => {
  const settings = {
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.timeout': '1s',
    'execution.checkpointing.tolerable-failed-checkpoints': '2',
  }
  const result = await run({ job: 'slow-sink', settings, args: [String(numbers), 'out', '4', '1500'] })
  expect(result.code, result.stderr).toBe(0)
  const published = totals().map(({ number }) => number)
  expect(published.length).toBe(numbers)
  expect(new Set(published).size).toBe(numbers)
})

/** The checkpoints of a job, by their bytes. */
function checkpointBytes(): ReadonlyMap<string, string> {
  const root = join(folder, '.millrace', 'checkpoints')
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('lock'))
    .map((entry) => join(entry.parentPath, entry.name))
  return new Map(files.map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]))
}

test('a checkpoint that does not fit the job any more is refused by name and stays as it was', async () => {
  const first = startMillrace(argumentsOf({ job: 'versions', args: [String(numbers), 'out', 'sums', 'number', '8'] }), {
    cwd: folder,
  })
  await until('the first checkpoint', () =>
    existsSync(join(folder, '.millrace/checkpoints/versions/run-1/committed-1')),
  )
  first.child.kill('SIGINT')
  const suspended = await first.result
  expect(summaryOf(suspended).state, suspended.stderr).toBe('SUSPENDED')
  const before = checkpointBytes()
  const published = totals().length
  const refused = async (args: readonly string[], settings: Readonly<Record<string, string>>, message: RegExp) => {
    const result = await run({ job: 'versions', from: 'latest', settings, args: [String(numbers), 'out', ...args] })
    expect(result.code).toBe(1)
    expect(result.stderr).toMatch(message)
  }
  await refused(
    ['renamed', 'number'],
    {},
    /MR_STATE_INCOMPATIBLE: .* has state of operator 'sums', which this job does not have/,
  )
  await refused(
    ['sums', 'text'],
    {},
    /MR_STATE_INCOMPATIBLE in operator .*: State "sum" .* has type "long" in the snapshot and type "string" in the job/,
  )
  await refused(
    ['sums', 'number'],
    { 'pipeline.max-parallelism': '64' },
    /MR_STATE_INCOMPATIBLE: .* max parallelism 128 .* now has 64/,
  )
  expect(checkpointBytes()).toEqual(before)
  expect(totals().length).toBe(published)
  const last = await run({
    job: 'versions',
    from: 'latest',
    parallelism: 3,
    args: [String(numbers), 'out', 'sums', 'number'],
  })
  expect(last.code, last.stderr).toBe(0)
  expect(numberFaults(totals(), numbers)).toEqual([])
})

/** A small file system in memory; false where this user may not mount one. */
function mounted(path: string, size: string): boolean {
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('a disk of checkpoints that is full for a while costs checkpoints, no result, and no space afterwards', async (context) => {
  const disk = join(folder, 'disk')
  context.skip(!mounted(disk, '2m'), 'needs the right to mount a file system')
  try {
    const settings = {
      'execution.checkpointing.dir': disk,
      'execution.checkpointing.tolerable-failed-checkpoints': '1000',
    }
    const options = { job: 'trouble', settings, args: ['none', String(numbers), 'out', '8'] }
    const running = startMillrace(argumentsOf(options), { cwd: folder })
    await until('the first checkpoint', () => existsSync(join(disk, 'run-1/committed-1')))
    const filler = join(disk, 'filler')
    for (let size = 1 << 21; size >= 512; size = Math.floor(size / 2)) {
      try {
        writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })
      } catch {
        // Full: smaller pieces may still fit in.
      }
    }
    await pause(1000)
    rmSync(filler)
    const result = await running.result
    expect(result.code, result.stderr).toBe(0)
    expect(numberFaults(totals(), numbers)).toEqual([])
    const left = readdirSync(disk, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tmp'))
    expect(left).toEqual([])
  } finally {
    execFileSync('umount', [disk])
  }
})

test.runIf(fullDrill)(
  'a working process that is stopped, not dead, keeps the folder from a new run until it is gone (R11, R30)',
  async () => {
    const options = { job: 'trouble', from: 'latest', args: ['none', String(numbers), 'out', '8'] }
    const first = startMillrace(argumentsOf(options), { cwd: folder })
    await until('the first checkpoint', () =>
      existsSync(join(folder, '.millrace/checkpoints/trouble/run-1/committed-1')),
    )
    const worker = first.workingProcess()
    if (worker === undefined) throw new Error('there is no working process')
    process.kill(worker, 'SIGSTOP')
    first.child.kill('SIGKILL')
    await first.result
    const second = await run(options)
    expect(second.code).toBe(3)
    expect(second.stderr).toContain(`process ${worker}`)
    process.kill(worker, 'SIGCONT')
    await until('the end of the working process', () => !isAlive(worker))
    const third = await run(options)
    expect(third.code, third.stderr).toBe(0)
    expect(numberFaults(totals(), numbers)).toEqual([])
  },
)

test('an output folder that is taken away is named', async () => {
  const running = startMillrace(argumentsOf({ job: 'trouble', args: ['none', String(numbers), 'out', '8'] }), {
    cwd: folder,
  })
  await until('output', () => existsSync(join(folder, 'out')) && totals().length > 0)
  rmSync(join(folder, 'out'), { recursive: true })
  const result = await running.result
  expect(result.stderr).toMatch(/MR_(SINK|TRANSACTION_LOST)[^\n]*out/)
})
