import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isAlive, publishedRecords, type RunningCommand, until } from './support/millrace.ts'
import { summaryOf, TrialFolder } from './support/trial-folder.ts'

let folder: TrialFolder

beforeEach(() => {
  folder = new TrialFolder()
})
afterEach(() => folder.remove())

/** Numbers at a steady rate into exactly-once files. Arguments: how many. */
const steady = `
  env.enableCheckpointing('100ms')
  const numbers = datagen({ generate: (id) => ({ id }), count: Number(args[0]), recordsPerSecond: 2000 })
  env
    .fromSource(numbers, WatermarkStrategy.noWatermarks(), 'numbers')
    .keyBy(({ id }) => id % 7)
    .process({ processElement: (record, context, out) => out.collect(record) })
    .sinkTo(FileSink.of({ folder: 'out' }))`

const published = () => publishedRecords<{ id: number }>(join(folder.path, 'out'))

function expectEachOnce(count: number): void {
  const ids = published().map(({ id }) => id)
  expect(ids.toSorted((left, right) => left - right)).toEqual(Array.from({ length: count }, (_, index) => index))
}

const started = (running: RunningCommand) =>
  until('the start of the job', () => running.stderr().includes(' started\n') || running.child.exitCode !== null)

/** A checkpoint is complete, so that the job is in the middle of its input. */
async function underWay(running: RunningCommand, job = 'steady'): Promise<number> {
  await until('a checkpoint', () => folder.checkpoints(job, 1).length > 0 || running.child.exitCode !== null)
  return until('the working process', () => running.workingProcess())
}

const stops = [
  { how: 'Ctrl-C reaches the whole process group', signal: 'SIGINT', group: true },
  { how: 'SIGINT reaches the supervisor alone', signal: 'SIGINT', group: false },
  { how: 'SIGTERM reaches the supervisor', signal: 'SIGTERM', group: false },
  { how: 'the terminal goes away', signal: 'SIGHUP', group: true },
] as const

test.each(stops)('$how: a last checkpoint, SUSPENDED, and --from latest goes on with no record twice', async (stop) => {
  folder.writeJob('steady', steady)
  const args = ['steady.ts', '-p', '2', '--json']
  const running = folder.start([...args, '--', '1600'], { ownGroup: stop.group })
  const worker = await underWay(running)
  const pid = running.child.pid as number
  process.kill(stop.group ? -pid : pid, stop.signal)
  const first = await running.result
  expect(first, first.stderr).toMatchObject({ code: 0 })
  expect(first.stderr).toContain('stopping after a last checkpoint')
  expect(summaryOf(first)).toMatchObject({ job: 'steady', state: 'SUSPENDED', restarts: 0 })
  expect(isAlive(worker)).toBe(false)
  const before = published().length
  expect(before).toBeLessThan(1600)
  const second = await folder.run([...args, '--from', 'latest', '--', '1600'])
  expect(second.stderr).toMatch(/starting from checkpoint \d+ of run-1\n/)
  // What the last checkpoint held is published, so the second run reads the rest and no more.
  expect(summaryOf(second)).toMatchObject({ state: 'FINISHED', recordsIn: 1600 - before })
  expectEachOnce(1600)
  expect(folder.leftovers()).toEqual([])
})

test('with --drain Ctrl-C ends the sources: all windows fire, the job is FINISHED', async () => {
  folder.writeJob(
    'windows',
    `
  env.enableCheckpointing('100ms')
  const numbers = datagen({ generate: (id) => ({ id }), recordsPerSecond: 2000 })
  env
    .fromSource(numbers, WatermarkStrategy.forMonotonousTimestamps().withTimestamps(() => 0), 'numbers')
    .keyBy(() => 'all')
    .window(TumblingEventTimeWindows.of('1h'))
    .aggregate(sum('id'))
    .sinkTo(FileSink.of({ folder: 'out' }))`,
  )
  const running = folder.start(['windows.ts', '-p', '1', '--drain', '--json'])
  await underWay(running, 'windows')
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result.stderr).toContain('draining: the sources end, all windows fire')
  const summary = summaryOf(result)
  expect(summary).toMatchObject({ state: 'FINISHED', recordsOut: 1 })
  const total = (summary.recordsIn * (summary.recordsIn - 1)) / 2
  expect(publishedRecords(join(folder.path, 'out'))).toEqual([total])
})

test('without checkpoints there is nothing to stop after: Ctrl-C cancels', async () => {
  folder.writeJob(
    'endless',
    "env.fromSource(datagen({ generate: (id) => id, recordsPerSecond: 10 }), WatermarkStrategy.noWatermarks(), 'n').print()",
  )
  const running = folder.start(['endless.ts', '-p', '1', '--json'])
  await until('a line', () => running.stdout() !== '')
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result.code).toBe(0)
  expect(result.stderr).toContain('cancelling; press Ctrl-C again')
  expect(summaryOf(result)).toMatchObject({ state: 'CANCELED' })
})

test('a second Ctrl-C ends at once what does not stop', async () => {
  folder.writeJob(
    'blocked',
    "env.fromSequence(1, 10).map((n) => { console.log('blocking'); execSync('sleep 20'); return n }).print()",
  )
  const running = folder.start(['blocked.ts', '-p', '1', '--json'])
  const worker = await until('the working process', () => running.workingProcess())
  await started(running)
  running.child.kill('SIGINT')
  await until('the first message', () => running.stderr().includes('cancelling'))
  const stoppedMs = performance.now()
  // Closer than a person presses, it would count as the same Ctrl-C.
  await new Promise((settle) => setTimeout(settle, 300))
  running.child.kill('SIGINT')
  const result = await running.result
  expect(performance.now() - stoppedMs).toBeLessThan(3000)
  expect(result.code).toBe(0)
  expect(summaryOf(result)).toMatchObject({ state: 'CANCELED' })
  expect(isAlive(worker)).toBe(false)
})

test('one Ctrl-C that comes twice, from the terminal and from npx, is one', async () => {
  folder.writeJob('steady', steady)
  const running = folder.start(['steady.ts', '-p', '1', '--json', '--', '100000'])
  await underWay(running)
  running.child.kill('SIGINT')
  running.child.kill('SIGINT')
  const result = await running.result
  expect(summaryOf(result)).toMatchObject({ state: 'SUSPENDED' })
})

test('Ctrl-C while the job is loaded ends it at once', async () => {
  folder.write(
    'waiting.ts',
    "import { job } from 'millrace'\nawait new Promise(() => {})\nexport default job('waiting', () => {})\n",
  )
  const running = folder.start(['waiting.ts', '--json'])
  const worker = await until('the working process', () => running.workingProcess())
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result.code).toBe(0)
  expect(summaryOf(result)).toMatchObject({ job: 'waiting.ts', state: 'CANCELED', recordsIn: 0 })
  expect(isAlive(worker)).toBe(false)
  expect(folder.leftovers()).toEqual([])
})

test('Ctrl-C while the job is being deployed: a last checkpoint as soon as it runs, and the next run goes on', async () => {
  folder.writeJob(
    'deploying',
    `
  const marker = args[1]
  env.enableCheckpointing('1min')
  env
    .fromSource(datagen({ generate: (id) => ({ id }), count: Number(args[0]), recordsPerSecond: 2000 }), WatermarkStrategy.noWatermarks(), 'numbers')
    .keyBy(({ id }) => id % 7)
    .process({
      open() {
        if (marker !== undefined) execSync('touch ' + marker + ' && sleep 2')
      },
      processElement: (record, context, out) => out.collect(record),
    })
    .sinkTo(FileSink.of({ folder: 'out' }))`,
  )
  const args = ['deploying.ts', '-p', '2', '--json']
  const marker = join(folder.path, 'opening')
  const running = folder.start([...args, '--', '1600', marker])
  await until('a subtask that is being opened', () => existsSync(marker) || running.child.exitCode !== null)
  running.child.kill('SIGINT')
  const first = await running.result
  expect(first, first.stderr).toMatchObject({ code: 0 })
  expect(first.stderr).toContain('stopping after a last checkpoint')
  expect(summaryOf(first)).toMatchObject({ state: 'SUSPENDED', checkpoints: 1, restarts: 0 })
  const second = await folder.run([...args, '--from', 'latest', '--', '1600'])
  expect(second.stderr).toContain('starting from checkpoint 1 of run-1')
  expect(summaryOf(second)).toMatchObject({ state: 'FINISHED' })
  expectEachOnce(1600)
})

test('Ctrl-C before anything could be deployed: no last checkpoint was taken, and it says where the next run begins', async () => {
  folder.writeJob(
    'unreachable',
    `
  env.enableCheckpointing('1s')
  env
    .fromSource(KafkaSource.of({ brokers: ['127.0.0.1:1'], topics: ['t'], value: json() }), WatermarkStrategy.noWatermarks(), 'numbers')
    .sinkTo(FileSink.of({ folder: 'out' }))`,
  )
  const running = folder.start(['unreachable.ts', '--json'])
  await started(running)
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result, result.stderr).toMatchObject({ code: 0 })
  expect(summaryOf(result)).toMatchObject({ state: 'SUSPENDED', checkpoints: 0 })
  expect(result.stderr).toContain('no last checkpoint was taken, and the next run begins anew')
})

test('a dozen slots and more print without a warning of Node', async () => {
  folder.writeJob('many', 'env.fromSequence(1, 100).map((n) => n).print()')
  const result = await folder.run(['many.ts', '-p', '12', '--json'])
  expect(summaryOf(result)).toMatchObject({ state: 'FINISHED', recordsOut: 100 })
  expect(result.stderr).not.toContain('Warning')
})

const delays = ['-D', 'restart-strategy.type=fixed-delay', '-D', 'restart-strategy.fixed-delay.delay=60s']

test('Ctrl-C while a restart of the process is due ends the run at once, and it can go on', async () => {
  folder.writeJob('steady', steady)
  const args = ['steady.ts', '-p', '1', '--json', ...delays]
  const running = folder.start([...args, '--', '2000'])
  process.kill(await underWay(running), 'SIGKILL')
  await until('the loss', () => running.stderr().includes('starting again from the latest checkpoint in 60000 ms'))
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result.code).toBe(0)
  expect(summaryOf(result)).toMatchObject({ state: 'SUSPENDED', restarts: 1 })
  expect(result.seconds).toBeLessThan(30)
  await folder.run([...args, '--from', 'latest', '--', '2000'])
  expectEachOnce(2000)
})

test('Ctrl-C while a restart inside of the process is due ends the run at once', async () => {
  folder.writeJob('throwing', "env.fromSequence(1, 10).map((n) => { throw new Error('no ' + n) }).print()")
  const running = folder.start(['throwing.ts', '-p', '1', '--json', ...delays])
  await until('the failure', () => running.stderr().includes('the job failed and restarts in 60000 ms'))
  running.child.kill('SIGINT')
  const result = await running.result
  expect(result.code).toBe(0)
  expect(summaryOf(result).state).toBe('CANCELED')
  expect(result.seconds).toBeLessThan(30)
})

test('when the supervisor is killed alone its working process goes, and a new run finds the folder free', async () => {
  folder.writeJob('steady', steady)
  const args = ['steady.ts', '-p', '2', '--json', '--from', 'latest', '--', '2000']
  const running = folder.start(args)
  const worker = await underWay(running)
  running.child.kill('SIGKILL')
  await until('the end of the working process', () => !isAlive(worker), 5000)
  const result = await folder.run(args)
  expect(summaryOf(result)).toMatchObject({ state: 'FINISHED' })
  expectEachOnce(2000)
  expect(folder.leftovers()).toEqual([])
})

test('when the working process is killed alone it is started again, and no record is lost or doubled', async () => {
  folder.writeJob('steady', steady)
  const running = folder.start([
    'steady.ts',
    '-p',
    '2',
    '--json',
    '-D',
    'restart-strategy.type=fixed-delay',
    '--',
    '2000',
  ])
  process.kill(await underWay(running), 'SIGKILL')
  const result = await running.result
  expect(result, result.stderr).toMatchObject({ code: 0 })
  expect(result.stderr).toMatch(
    /the working process was lost \(signal SIGKILL\); .*\n.*started\n.*going on from checkpoint \d+\n/,
  )
  expect(summaryOf(result)).toMatchObject({ state: 'FINISHED', restarts: 1 })
  expectEachOnce(2000)
})

const crashing = "env.fromSequence(1, 10).map((n) => { process.kill(process.pid, 'SIGKILL'); return n }).print()"

test('a working process that dies again and again ends by the restart strategy', async () => {
  folder.writeJob('crashing', crashing)
  const strategy = ['fixed-delay.attempts=2', 'fixed-delay.delay=10ms'].flatMap((key) => [
    '-D',
    `restart-strategy.${key}`,
  ])
  const result = await folder.run([
    'crashing.ts',
    '-p',
    '1',
    '--json',
    '-D',
    'restart-strategy.type=fixed-delay',
    ...strategy,
  ])
  expect(result.code).toBe(1)
  expect(result.stderr).toContain(
    'MR_RESTARTS_EXHAUSTED: the working process was lost (signal SIGKILL) and the restart strategy fixed-delay gave up',
  )
  expect(summaryOf(result)).toMatchObject({ state: 'FAILED', restarts: 2 })
})

test('without a restart strategy the first loss of the working process fails the job', async () => {
  folder.writeJob('crashing', crashing)
  const result = await folder.run(['crashing.ts', '-p', '1', '--json'])
  expect(result.code).toBe(1)
  expect(result.stderr).toContain('MR_PROCESS_LOST: the working process was lost (signal SIGKILL)')
  expect(summaryOf(result)).toMatchObject({ state: 'FAILED', restarts: 0 })
})

test('when nobody reads standard output any more the run ends, as head ends what it reads from', async () => {
  folder.writeJob(
    'endless',
    "env.fromSource(datagen({ generate: (id) => id }), WatermarkStrategy.noWatermarks(), 'n').print()",
  )
  const running = folder.start(['endless.ts', '-p', '1'])
  await until('a line', () => running.stdout() !== '')
  running.child.stdout?.destroy()
  const result = await running.result
  expect(result.code).toBe(0)
  expect(result.stderr).toContain('nobody reads standard output any more: ending at once')
})

/** At record 0 `first` happens in one slot, at record 1 `second` in the other. */
const twoSlots = (first: string, second: string) =>
  `env.fromSequence(0, 100_000).rebalance().map((n) => { if (n === 0) ${first}; if (n === 1) ${second}; return n }).name('two slots').filter(() => false).print()`

test('a function that loops for ever is ended within a second: by Ctrl-C, and by a sibling that fails (R32)', async () => {
  folder.writeJob('looping', twoSlots('for (;;);', 'for (;;);'))
  const running = folder.start(['looping.ts', '-p', '2', '--json'])
  await started(running)
  const stoppedMs = performance.now()
  running.child.kill('SIGINT')
  expect(summaryOf(await running.result).state).toBe('CANCELED')
  expect(performance.now() - stoppedMs).toBeLessThan(2000)
  folder.writeJob('failing', twoSlots('for (;;);', "throw new Error('one is wrong')"))
  const result = await folder.run(['failing.ts', '-p', '2', '--json'])
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/MR_USER_FUNCTION in operator two slots: .* threw Error: one is wrong/)
})

test('native code that blocks past task.cancellation.timeout costs the process, not the result (R32)', async () => {
  folder.writeJob(
    'blocked',
    twoSlots("execSync('sleep 20')", "{ execSync('sleep 0.3'); throw new Error('one is wrong') }"),
  )
  const timeout = ['-D', 'task.cancellation.timeout=300ms']
  const result = await folder.run(['blocked.ts', '-p', '2', '--json', ...timeout])
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/MR_USER_FUNCTION in operator two slots: .* threw Error: one is wrong/)
  expect(summaryOf(result)).toMatchObject({ state: 'FAILED', restarts: 0 })
  expect(result.seconds).toBeLessThan(15)
  const restarting = ['-D', 'restart-strategy.type=fixed-delay', '-D', 'restart-strategy.fixed-delay.delay=10ms']
  const again = await folder.run(['blocked.ts', '-p', '2', '--json', ...timeout, ...restarting])
  expect(again.code).toBe(1)
  expect(again.stderr).toMatch(/the working process was lost \(MR_CANCELLATION_TIMEOUT: .*native code blocks it/)
})
