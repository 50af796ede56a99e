import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { type CommandResult, publishedRecords, until } from './support/millrace.ts'
import { createTopic, kafkaClient } from './support/payments.ts'
import { summaryOf, TrialFolder } from './support/trial-folder.ts'

let folder: TrialFolder

beforeEach(() => {
  folder = new TrialFolder()
})
afterEach(() => folder.remove())

/** Running counts of 900 numbers at a steady rate. Arguments: where they go. */
const counting = `
  env.enableCheckpointing('100ms')
  const numbers = datagen({ generate: (id) => ({ id }), count: 900, recordsPerSecond: 2000 })
  const counted = env
    .fromSource(numbers, WatermarkStrategy.noWatermarks(), 'numbers')
    .keyBy(({ id }) => id % 7)
    .aggregate(sum('id'))
  if (args[0] === 'print') counted.filter(() => false).print()
  else counted.sinkTo(FileSink.of({ folder: 'out' }))`

const run = (...flags: readonly string[]) => folder.run(['counting.ts', '-p', '1', ...flags])

const checkpointFolder = () => join(folder.path, '.millrace', 'checkpoints', 'counting')

function expectOneMessage(result: CommandResult, code: number, says: RegExp): void {
  expect(result.stderr).toMatch(says)
  expect(result.code).toBe(code)
  expect(result.stderr.match(/^ {2}what to do: /gm), result.stderr).toHaveLength(1)
  expect(result.seconds).toBeLessThan(15)
}

test('--from latest where there is no checkpoint starts fresh and says so', async () => {
  folder.writeJob('counting', counting)
  const result = await run('--from', 'latest', '--json')
  expect(result.stderr).toMatch(/no checkpoint in .*checkpoints\/counting: starting fresh\n/)
  expect(summaryOf(result)).toMatchObject({ state: 'FINISHED', recordsIn: 900 })
})

test('a second run in the same folder names the process that has it', async () => {
  folder.writeJob('counting', counting.replace('900', '100_000'))
  const first = folder.start(['counting.ts', '-p', '1'])
  await until('a checkpoint', () => folder.checkpoints('counting', 1).length > 0)
  const worker = first.workingProcess()
  expectOneMessage(await run(), 3, new RegExp(`MR_RUN_LOCKED: .*counting is in use: process ${worker} runs a job with`))
  first.child.kill('SIGINT')
  expect(await first.result).toMatchObject({ code: 0 })
})

test('an older checkpoint is started from only by whoever accepts duplicates', async () => {
  folder.writeJob('counting', counting)
  await run()
  const [older = ''] = folder.checkpoints('counting', 1)
  const record = join('.millrace/checkpoints/counting/run-1/records', older)
  const flags = ['--from', record]
  expectOneMessage(await run(...flags), 2, /checkpoint \d+ of run-1 is newer, and output up to it is published already/)
  expect(publishedRecords(join(folder.path, 'out'))).toHaveLength(900)
  const accepted = await run(...flags, '--accept-duplicates')
  expect(accepted.code).toBe(0)
  expect(accepted.stderr).toMatch(/starting from checkpoint \d+ of run-1\n/)
  expect(publishedRecords(join(folder.path, 'out')).length).toBeGreaterThanOrEqual(900)
  expectOneMessage(
    await run('--from', 'chk-4711'),
    2,
    /MR_CHECKPOINT_NOT_FOUND: .*chk-4711.*counting holds chk-\d+ of run-2/,
  )
})

/** Turns one byte in the middle of a file. */
function damage(path: string): void {
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  writeFileSync(path, bytes)
}

test('a damaged record, and a damaged blob, are errors that name the file', async () => {
  folder.writeJob('counting', counting)
  await run()
  const record = join(checkpointFolder(), 'run-1', 'records', folder.checkpoints('counting', 1).at(-1) ?? '')
  const intact = readFileSync(record)
  damage(record)
  expectOneMessage(await run('--from', 'latest'), 1, new RegExp(`MR_CHECKPOINT_DAMAGED: .*${record}`))
  writeFileSync(record, intact)
  const blobs = join(checkpointFolder(), 'run-1', 'blobs')
  const files = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) damage(join(file.parentPath, file.name))
  const result = await run('--from', 'latest')
  expectOneMessage(result, 1, /MR_CHECKPOINT_DAMAGED.*: .*(chk-\d+\/\w+)/)
  expect(files.some((file) => result.stderr.includes(join(file.parentPath, file.name).slice(blobs.length + 1)))).toBe(
    true,
  )
})

test('a function that throws is named with its operator, the place of the record, and the line', async () => {
  folder.writeJob(
    'throwing',
    "  env.fromSequence(1, 10).map((n) => {\n    if (n === 7) throw new TypeError('seven')\n    return n\n  }).name('halves').filter(() => false).print()",
  )
  const plain = await folder.run(['throwing.ts', '-p', '1'])
  expectOneMessage(
    plain,
    1,
    /MR_USER_FUNCTION in operator halves: .* threw TypeError: seven; the record is at .* of source "Sequence Source"\n {4}at .*throwing\.ts:9:\d+\)\n {2}what to do/,
  )
  const keys = ['type=fixed-delay', 'fixed-delay.attempts=2', 'fixed-delay.delay=10ms'].flatMap((key) => [
    '-D',
    `restart-strategy.${key}`,
  ])
  const restarted = await folder.run(['throwing.ts', '-p', '1', '--json', ...keys])
  expectOneMessage(
    restarted,
    1,
    /MR_RESTARTS_EXHAUSTED in operator halves: .*allows 2 restarts; the last failure: .*TypeError: seven.*\n {4}at .*throwing\.ts:9/,
  )
  expect(restarted.stderr.match(/warning: the job failed and restarts in 10 ms: MR_USER_FUNCTION/g)).toHaveLength(2)
  expect(summaryOf(restarted)).toMatchObject({ state: 'FAILED', restarts: 2 })
})

test('an exchange away from the source the record is named as JSON with its key', async () => {
  folder.writeJob(
    'throwing',
    "  env.fromSequence(1, 10).keyBy((n) => n % 3).reduce(() => { throw new Error('two of a kind') }).name('sums').filter(() => false).print()",
  )
  expectOneMessage(
    await folder.run(['throwing.ts', '-p', '2']),
    1,
    /MR_USER_FUNCTION in operator sums: .* threw Error: two of a kind; the record of key \d is \d+\n/,
  )
})

const reading =
  "  env.fromSource(KafkaSource.of({ topics: [args[0] ?? ''], value: json(), endOffsets: 'latest' }), WatermarkStrategy.noWatermarks(), 'orders').print()"

test('brokers that can not be reached, and a topic that is not there, are told within seconds', async () => {
  folder.writeJob('reading', reading)
  const checkpointing = ['-D', 'execution.checkpointing.interval=1s']
  const unreachable = await folder.run(['reading.ts', '-p', '1', ...checkpointing, '--', 'orders'], {
    environment: { KAFKA_BROKERS: '127.0.0.1:1' },
  })
  expectOneMessage(unreachable, 3, /MR_KAFKA_UNREACHABLE: no Kafka broker could be reached at 127\.0\.0\.1:1: /)
  const missing = await folder.run(['reading.ts', '-p', '1', ...checkpointing, '--', 'no-such-topic'], {
    environment: { KAFKA_BROKERS: inject('kafkaBootstrap') },
  })
  expectOneMessage(missing, 3, /MR_KAFKA_TOPIC: topic no-such-topic does not exist on /)
})

test('a record that can not be decoded is named with topic, partition and offset', async () => {
  folder.writeJob('reading', reading)
  const topic = `undecodable-${process.pid}-${Date.now()}`
  const client = kafkaClient(inject('kafkaBootstrap'))
  await createTopic(client, topic, 2)
  const producer = client.producer()
  await producer.connect()
  await producer.send({ topic, messages: ['{"id":0}', '{"id":1}', '{"id":'].map((value) => ({ value, partition: 1 })) })
  await producer.disconnect()
  const result = await folder.run(['reading.ts', '-p', '1', '--', topic], {
    environment: { KAFKA_BROKERS: inject('kafkaBootstrap') },
  })
  expectOneMessage(result, 1, new RegExp(`MR_DESERIALIZATION.*: .*${topic}.*partition 1.*offset 2`))
})

test('a heap that is full, and managed memory that is full, have codes of their own', async () => {
  folder.writeJob(
    'kept',
    '  const kept: unknown[] = []\n  env.fromSequence(1, 5_000_000).map((n) => { kept.push(Array.from({ length: 100 }, () => ({ n }))); return n }).filter(() => false).print()',
  )
  expectOneMessage(
    await folder.run(['kept.ts', '-p', '1', '-D', 'taskmanager.memory.task.heap.size=64mb']),
    1,
    /MR_SLOT_OUT_OF_MEMORY.*: .* its limit is 64 MB/,
  )
  folder.writeJob(
    'managed',
    `
  const type = record({ key: string(), n: double() })
  const numbers = datagen({ generate: (n) => ({ key: 'key-' + n, n }), count: 5_000_000, type })
  env.fromSource(numbers, WatermarkStrategy.noWatermarks(), 'numbers').keyBy(({ key }) => key).aggregate(sum('n')).name('sums').filter(() => false).print()`,
  )
  expectOneMessage(
    await folder.run(['managed.ts', '-p', '1', '-D', 'taskmanager.memory.managed.size=8mb']),
    1,
    /MR_MANAGED_MEMORY_FULL.*: State .* of operator "sums" needs \d+ more bytes/,
  )
})
