import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Committable, SinkWriter } from '../../../src/api/sink.ts'
import {
  avroFiles,
  bucketByTime,
  csvLines,
  FileSink,
  type FileSinkOptions,
  jsonLines,
} from '../../../src/connectors/filesystem/index.ts'
import { csv, int32, nullable, record, string } from '../../../src/formats/index.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

interface Order {
  readonly id: number
  readonly note: string | null
}

const order = record({ id: int32(), note: nullable(string()) })
let folder: string
const failures: unknown[] = []
const clock = new VirtualClock(0)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-formats-'))
  failures.length = 0
})
const writers: SinkWriter<Order>[] = []

afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.close()
  rmSync(folder, { recursive: true, force: true })
  expect(failures).toEqual([])
})

function writerOf(options: Partial<FileSinkOptions<Order>>, attemptId = 'a1'): SinkWriter<Order> {
  const writer = FileSink.of<Order>({ folder, ...options }).createWriter({
    subtaskIndex: 0,
    parallelism: 2,
    operatorName: 'out',
    operatorUid: 'out',
    attemptId,
    clock,
    checkpointing: undefined,
    jobName: 'job',
    transactionalIds: { mark: 16, request: () => {} },
    wake: () => {},
    fail: (error) => failures.push(error),
  })
  writers.push(writer)
  return writer
}

/** Visible files, with their folders below the sink's. */
function visible(): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
  return all
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()
}

const orders = (count: number): Order[] =>
  Array.from({ length: count }, (_, id) => ({ id, note: id % 2 ? `n,"${id}` : null }))

async function readAvro(path: string): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of createReadStream(path).pipe(new avsc.streams.BlockDecoder())) values.push({ ...value })
  return values
}

test('each part of CSV begins with the names of the fields', async () => {
  const writer = writerOf({ format: csvLines(csv(order)) })
  for (const checkpoint of [1, 2]) {
    for (const value of orders(3)) writer.write(value, 0)
    await writer.commit(await writer.prepareCommit(checkpoint))
  }
  const files = visible()
  expect(files).toHaveLength(2)
  for (const file of files) {
    expect(file).toMatch(/\.csv$/)
    const rows: unknown = parse(readFileSync(join(folder, file)), { columns: true })
    expect(rows).toEqual([
      { id: '0', note: '' },
      { id: '1', note: 'n,"1' },
      { id: '2', note: '' },
    ])
  }
})

test.each(['null', 'deflate'] as const)(
  'parts of Avro are container files that avsc reads (codec %s)',
  async (codec) => {
    const writer = writerOf({ format: avroFiles(order, { codec }) })
    // More than a block.
    const values = orders(20_000)
    for (const value of values) writer.write(value, 0)
    await writer.commit(await writer.prepareCommit(1))
    const [file = ''] = visible()
    expect(await readAvro(join(folder, file))).toEqual(values)
  },
)

test('a part rolls when it is large enough; all parts of a checkpoint are published with it', async () => {
  const writer = writerOf({ maxPartSize: 100 })
  const values = orders(40)
  for (const value of values) writer.write(value, 0)
  const prepared = await writer.prepareCommit(3)
  expect(prepared.length).toBeGreaterThan(5)
  expect(visible()).toEqual([])
  await writer.commit(prepared)
  const read = visible().flatMap((file) => readFileSync(join(folder, file), 'utf8').trim().split('\n'))
  expect(read.map((line) => JSON.parse(line).id).toSorted((a, b) => a - b)).toEqual(values.map(({ id }) => id))
})

test('a part rolls when a record comes after the interval', async () => {
  const writer = writerOf({ rolloverInterval: '10s' })
  for (const value of orders(4)) {
    writer.write(value, 0)
    clock.advanceTo(clock.now() + 6000)
  }
  expect(await writer.prepareCommit(1)).toHaveLength(2)
  await writer.close()
})

test('records go to the folder of their event time', async () => {
  const writer = writerOf({ bucket: bucketByTime("'day='yyyy-MM-dd/HH") })
  writer.write({ id: 1, note: null }, Date.UTC(2026, 0, 2, 23, 59))
  writer.write({ id: 2, note: null }, Date.UTC(2026, 0, 3))
  await writer.commit(await writer.prepareCommit(1))
  expect(visible().map((path) => path.replace(/part.*/, ''))).toEqual(['day=2026-01-02/23/', 'day=2026-01-03/00/'])
  expect(() => writer.write({ id: 3, note: null }, Number.NEGATIVE_INFINITY)).toThrow('without a timestamp')
})

test.each(['../out', '/etc', 'a//b', '.hidden', 'a/..'])('bucket %s is refused', (bucket) => {
  const writer = writerOf({ bucket: () => bucket })
  expect(() => writer.write({ id: 1, note: null }, 0)).toThrow(/must be visible folders below/)
})

test('pending parts of attempts that are gone are removed after the first commit, others stay', async () => {
  const pending = (name: string, ageMs: number) => {
    const path = join(folder, name)
    writeFileSync(path, 'x')
    utimesSync(path, new Date(), new Date(Date.now() - ageMs))
    return path
  }
  const [first] = (await writeAndPrepare(writerOf({}, 'old'))) as readonly { readonly pending: string }[]
  const mark = first?.pending.split('-')[1]
  const abandoned = pending(`.part-${mark}-1-gone.0.pending`, 100_000)
  const young = pending(`.part-${mark}-1-new.0.pending`, 0)
  const others = pending('.part-00000000-1-gone.0.pending', 100_000)
  clock.advanceTo(Date.now())
  const writer = writerOf({ removePendingAfter: '50s' }, 'next')
  await writer.commit((first === undefined ? [] : [first]) as unknown as Committable[])
  expect(existsSync(abandoned)).toBe(true)
  await writer.commit(await writeAndPrepare(writer))
  expect([abandoned, young, others].map((path) => existsSync(path))).toEqual([false, true, true])
})

async function writeAndPrepare(writer: SinkWriter<Order>): Promise<readonly Committable[]> {
  writer.write({ id: 1, note: null }, 0)
  return writer.prepareCommit(1)
}

/** One subtask over its attempts; what was not in a completed checkpoint is written again. */
class Trial {
  committed = 0
  #next = 0
  #attempt = 0
  readonly #options: Partial<FileSinkOptions<Order>>
  #writer: SinkWriter<Order>

  constructor(maxPartSize: number) {
    this.#options = { maxPartSize, format: jsonLines<Order>(), bucket: ({ id }) => `b${id % 3}` }
    this.#writer = writerOf(this.#options, 'a0')
  }

  write(records: number): void {
    for (let count = 0; count < records; count++) this.#writer.write({ id: this.#next++, note: null }, 0)
  }

  async barrier(checkpointId: number): Promise<void> {
    const prepared = await this.#writer.prepareCommit(checkpointId)
    this.committed = this.#next
    // Some attempts are lost between completion and commit: the one that restores commits.
    if (checkpointId % 3 === 0) await this.crash()
    await this.#writer.commit(prepared)
  }

  async crash(): Promise<void> {
    await this.#writer.close()
    this.#writer = writerOf(this.#options, `a${++this.#attempt}`)
    this.#next = this.committed
  }
}

test('what completed checkpoints list is there once, through crashes of attempts, with parts of any size', async () => {
  const step = fc.oneof(
    fc.constant('barrier' as const),
    fc.constant('crash' as const),
    fc.record({ records: fc.integer({ min: 1, max: 30 }) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 20 }),
      fc.integer({ min: 20, max: 400 }),
      async (steps, maxPartSize) => {
        rmSync(folder, { recursive: true, force: true })
        const trial = new Trial(maxPartSize)
        for (const [index, action] of [...steps, 'barrier' as const].entries()) {
          if (action === 'barrier') await trial.barrier(index)
          else if (action === 'crash') await trial.crash()
          else trial.write(action.records)
        }
        await Promise.all(writers.splice(0).map((writer) => writer.close()))
        const lines = visible().flatMap((file) => readFileSync(join(folder, file), 'utf8').trim().split('\n'))
        const ids = lines.map((line) => (JSON.parse(line) as Order).id).toSorted((left, right) => left - right)
        expect(ids).toEqual(Array.from({ length: trial.committed }, (_, id) => id))
      },
    ),
    { numRuns: 40 },
  )
})

test('options that can not be are refused', () => {
  expect(() => FileSink.of({ folder, encode: String, format: jsonLines() })).toThrow('either format or encode')
  expect(() => FileSink.of({ folder, maxPartSize: 0 })).toThrow('maxPartSize 0 is no size')
  expect(() => FileSink.of({ folder, rolloverInterval: 'soon' })).toThrow('FileSink: rolloverInterval')
  expect(() => avroFiles(order, { codec: 'zip' as never })).toThrow('codec "zip"')
})
