import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import avsc from 'avsc'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceSplit, SplitEnumerator, UndecodedRecord } from '../../../src/api/source.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { fileEnumerator } from '../../../src/connectors/filesystem/file-enumerator.ts'
import {
  avroFiles,
  csvLines,
  FileSource,
  type FileSourceOptions,
  jsonLines,
  type ReadableFileFormat,
  textLines,
} from '../../../src/connectors/filesystem/index.ts'
import { readBlock, readHeader } from '../../../src/formats/avro-container-reading.ts'
import { csv, int32, json, nullable, record, string } from '../../../src/formats/index.ts'

let folder: string
const warnings: string[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-source-'))
  warnings.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

function sourceOf<T>(format: ReadableFileFormat<T>, options: Partial<FileSourceOptions<T>> = {}): FileSource<T> {
  return FileSource.of({ paths: folder, format, ...options })
}

function enumeratorOf(source: FileSource<unknown>): SplitEnumerator {
  const context = { operatorName: 'files', clock: systemClock, warn: (text: string) => warnings.push(text) }
  // As data that was sent elsewhere (R27).
  return fileEnumerator(JSON.parse(JSON.stringify(source.description)), context)
}

interface Reading<T> {
  readonly values: T[]
  readonly dead: UndecodedRecord[]
  readonly finished: string[]
  readonly splits: readonly SourceSplit[]
}

/** Reads splits, to their end or up to so many records. */
async function read<T>(
  source: FileSource<T>,
  splits: readonly SourceSplit[],
  { limit = Number.POSITIVE_INFINITY, atOnce = 3 } = {},
): Promise<Reading<T>> {
  let woken = Promise.withResolvers<void>()
  let failure: unknown
  const reader = source.createReader({
    subtaskIndex: 0,
    parallelism: 1,
    operatorName: 'files',
    clock: systemClock,
    wake: () => woken.resolve(),
    fail: (error) => {
      failure = error
      woken.resolve()
    },
  })
  const values: T[] = []
  const dead: UndecodedRecord[] = []
  const finished: string[] = []
  const output = {
    useSplit: () => {},
    collect: (value: T) => {
      values.push(value)
    },
    deadLetter: (letter: UndecodedRecord) => {
      dead.push(letter)
    },
    splitFinished: (id: string) => {
      finished.push(id)
    },
  }
  try {
    reader.addSplits(splits)
    reader.noMoreSplits()
    for (;;) {
      const left = limit - values.length - dead.length
      if (left <= 0) break
      woken = Promise.withResolvers<void>()
      if (failure !== undefined) throw failure
      const result = reader.poll(output, Math.min(atOnce, left))
      if (result === 'ended') break
      if (result === 'waiting') await woken.promise
    }
    // As a checkpoint keeps it.
    return { values, dead, finished, splits: JSON.parse(JSON.stringify(reader.snapshot())) }
  } finally {
    await reader.close()
  }
}

async function readAll<T>(source: FileSource<T>): Promise<Reading<T>> {
  return read(source, await enumeratorOf(source).start(1))
}

interface Order {
  readonly id: number
  readonly note: string | null
}
const order = record({ id: int32(), note: nullable(string()) })
const orders: readonly Order[] = [
  { id: 1, note: 'tea' },
  { id: 2, note: null },
  { id: 3, note: 'a "quote", a comma\nand a line end' },
  { id: -4, note: 'ünïcode €' },
]

/** What a FileSink of the format writes. */
function written<T>(format: ReadableFileFormat<T>, values: readonly T[]): Buffer {
  const part = format.createPart()
  const taken: (string | Uint8Array)[] = []
  for (const value of values) {
    part.write(value)
    taken.push(part.take())
  }
  part.end()
  taken.push(part.take())
  return Buffer.concat(taken.map((piece) => Buffer.from(piece)))
}

const formats = [
  ['JSON lines', jsonLines<Order>()],
  ['JSON lines of a declared type', jsonLines(json(order))],
  ['CSV with a header', csvLines(csv(order))],
  ['CSV without a header', csvLines(csv(order, { delimiter: ';' }), { header: false })],
  ['Avro', avroFiles<Order>(order)],
  ['Avro without a codec', avroFiles<Order>(order, { codec: 'null' })],
] as const

test.each(formats)('what a sink writes is read: %s, also as gzip', async (_name, format) => {
  put('a', written<Order>(format, orders))
  put('b.gz', gzipSync(written<Order>(format, orders)))
  const { values, dead, finished } = await readAll(sourceOf<Order>(format))
  expect(values).toEqual([...orders, ...orders])
  expect(dead).toEqual([])
  expect(finished).toEqual([join(folder, 'a#0'), join(folder, 'b.gz#0')])
})

test.each(formats)('a reader goes on after any record: %s', async (_name, format) => {
  put('a', written<Order>(format, orders))
  put('b.gz', gzipSync(written<Order>(format, orders)))
  const source = sourceOf<Order>(format)
  const start = await enumeratorOf(source).start(1)
  for (let limit = 0; limit <= 8; limit++) {
    const first = await read(source, start, { limit })
    const second = await read(source, await enumeratorOf(source).restore(first.splits, 1))
    expect([...first.values, ...second.values]).toEqual([...orders, ...orders])
  }
})

test('ranges of a file have each line once, wherever it is cut and read on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-zé€]{0,12}$/), { maxLength: 20 }),
      fc.integer({ min: 1, max: 40 }),
      fc.record({ lineEnd: fc.constantFrom('\n', '\r\n'), last: fc.boolean(), limit: fc.nat(20) }),
      async (lines, maxSplitSize, { lineEnd, last, limit }) => {
        const text = lines.join(lineEnd)
        put('lines.txt', last && lines.length > 0 ? text + lineEnd : text)
        const expected = !last && lines.at(-1) === '' ? lines.slice(0, -1) : lines
        const source = sourceOf(textLines(), { maxSplitSize })
        const first = await read(source, await enumeratorOf(source).start(1), { limit })
        const second = await read(source, await enumeratorOf(source).restore(first.splits, 1))
        expect([...first.values, ...second.values]).toEqual(expected)
      },
    ),
    { numRuns: 60 },
  )
})

test('lines that are longer than what is read at once, and a byte order mark', async () => {
  const long = 'x'.repeat(700_000)
  put('long.txt', `\ufeff${long}\nshort\n${long}`)
  expect((await readAll(sourceOf(textLines()))).values).toEqual([long, 'short', long])
})

test('folders are read with what is below them, without hidden files; named files whatever their name', async () => {
  put('b/2.txt', 'two')
  put('a/deep/1.txt', 'one')
  put('.hidden/3.txt', 'three')
  put('a/_SUCCESS', 'four')
  const named = put('a/.part', 'five')
  expect((await readAll(sourceOf(textLines()))).values).toEqual(['one', 'two'])
  expect((await readAll(sourceOf(textLines(), { paths: [named, join(folder, 'b')] }))).values).toEqual(['five', 'two'])
})

test('a line that can not be decoded is a dead letter with file, line and bytes, and the next one is read', async () => {
  const path = put('orders.jsonl', '{"id":1,"note":null}\n\nbroken\n{"id":"x","note":null}\n{"id":2,"note":null}\n')
  const { values, dead } = await readAll(sourceOf(jsonLines(json(order))))
  expect(values.map(({ id }) => id)).toEqual([1, 2])
  expect(dead).toMatchObject([
    { place: `file ${path}, line 3`, value: new Uint8Array(Buffer.from('broken')) },
    { place: `file ${path}, line 4`, error: expect.stringContaining('id: expected int32') },
  ])
})

test('CSV finds its fields by the names of the header; one that is missing names the file', async () => {
  put('a.csv', 'other,note,id\r\n1,tea,7\r\n2,,8\r\n')
  put('b.csv', 'id\n9\n')
  const { values } = await readAll(sourceOf(csvLines(csv(order))))
  expect(values).toEqual([
    { id: 7, note: 'tea' },
    { id: 8, note: null },
    { id: 9, note: null },
  ])
  const path = put('c.csv', 'name\nx\n')
  await expect(readAll(sourceOf(csvLines(csv(order))))).rejects.toMatchObject({
    code: 'MR_DESERIALIZATION',
    message: expect.stringMatching(`file ${path}.*the header has no field id; it has name`),
  })
})

test('Avro files of another schema, by another writer, are read as the given one', async () => {
  const type = avsc.Type.forSchema({
    type: 'record',
    name: 'Record',
    fields: [
      { name: 'extra', type: 'string' },
      { name: 'id', type: 'int' },
    ],
  })
  const path = join(folder, 'other.avro')
  const encoder = avsc.createFileEncoder(path, type, { codec: 'deflate', blockSize: 200 })
  for (let id = 0; id < 100; id++) encoder.write({ extra: `e${id}`, id })
  await new Promise<void>((done) => encoder.end(() => done()))
  const schema = {
    type: 'record',
    name: 'Record',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'note', type: 'string', default: 'none' },
    ],
  }
  const source = sourceOf<Order>(avroFiles<Order>(schema))
  const start = await enumeratorOf(source).start(1)
  const first = await read(source, start, { limit: 37 })
  const second = await read(source, first.splits)
  expect([...first.values, ...second.values]).toEqual(Array.from({ length: 100 }, (_, id) => ({ id, note: 'none' })))
})

test('Avro files whose blocks are packed by zstandard are read; by a codec that is not known they are refused', async () => {
  const format = avroFiles<Order>(order, { codec: 'null' })
  const plain = written<Order>(format, orders)
  const header = readHeader(plain)
  const block = header && readBlock(plain, header.length, header)
  if (header === undefined || block === undefined) throw new Error('not whole')
  const withCodec = (codec: string) =>
    plain
      .subarray(0, header.length)
      .toString('latin1')
      .replace('\u0008null', String.fromCharCode(2 * codec.length) + codec)
  const packed = zstdCompressSync(block.packed)
  // Count and length are below 64 * 128: one zigzag byte, and two.
  const length = Buffer.from([((2 * packed.length) & 127) | 128, (2 * packed.length) >> 7])
  const body = Buffer.concat([Buffer.from([2 * block.count]), length, packed, header.sync])
  put('a.avro', Buffer.concat([Buffer.from(withCodec('zstandard'), 'latin1'), body]))
  expect((await readAll(sourceOf<Order>(format))).values).toEqual(orders)
  put('a.avro', Buffer.concat([Buffer.from(withCodec('xz'), 'latin1'), body]))
  await expect(readAll(sourceOf<Order>(format))).rejects.toThrow('it is packed by "xz"')
})

test('a damaged or truncated file fails with its name: Avro, gzip', async () => {
  const format = avroFiles<Order>(order)
  const bytes = written<Order>(format, orders)
  const refused = (name: string) =>
    expect(readAll(sourceOf<Order>(format))).rejects.toMatchObject({
      code: 'MR_SOURCE_FILE',
      message: expect.stringContaining(join(folder, name)),
    })
  const path = put('cut.avro', bytes.subarray(0, -3))
  await refused('cut.avro')
  rmSync(path)
  const damaged = Buffer.from(bytes)
  damaged[bytes.length - 5] = (damaged[bytes.length - 5] ?? 0) ^ 1
  put('damaged.avro', damaged)
  await refused('damaged.avro')
  rmSync(join(folder, 'damaged.avro'))
  put('text.avro', 'a text')
  await refused('text.avro')
  rmSync(join(folder, 'text.avro'))
  put('cut.gz', gzipSync(bytes).subarray(0, -9))
  await refused('cut.gz')
  rmSync(join(folder, 'cut.gz'))
  put('zstandard.avro', zstdCompressSync(bytes))
  await refused('zstandard.avro')
})

test('a file that is gone or shorter than it was fails the restore by its name; one that was read to its end may go', async () => {
  const [path, other] = [put('a.txt', 'one\ntwo\n'), put('b.txt', 'three\nfour\n')]
  const source = sourceOf(textLines())
  const start = await enumeratorOf(source).start(1)
  const { splits } = await read(source, start, { limit: 3, atOnce: 1 })
  rmSync(path)
  expect(await enumeratorOf(source).restore(splits, 1)).toEqual(splits)
  truncateSync(other, 7)
  const restored = enumeratorOf(source).restore(splits, 1)
  await expect(restored).rejects.toMatchObject({ code: 'MR_SOURCE_FILE', message: expect.stringContaining(other) })
  await expect(read(source, splits)).rejects.toMatchObject({ code: 'MR_SOURCE_FILE' })
  rmSync(other)
  await expect(enumeratorOf(source).restore(splits, 1)).rejects.toThrow(`${other} is in the checkpoint`)
})

test('what is appended after a file was found is not read: its length was settled then', async () => {
  const path = put('a.txt', 'one\ntwo\n')
  const source = sourceOf(textLines())
  const start = await enumeratorOf(source).start(1)
  appendFileSync(path, 'three\n')
  expect((await read(source, start)).values).toEqual(['one', 'two'])
})

test('discovery finds new files only, also those that came while the job was away', async () => {
  put('a.txt', 'one')
  const source = sourceOf(textLines(), { discoveryInterval: '1s', maxSplitSize: 2 })
  expect(source.boundedness).toBe('continuous')
  const enumerator = enumeratorOf(source)
  expect(enumerator.discoveryIntervalMs).toBe(1000)
  const start = await enumerator.start(1)
  expect(start).toHaveLength(2)
  const known = new Set(start.map(({ id }) => id))
  expect(await enumerator.discover(known)).toEqual([])
  renameSync(put('.b', 'two'), join(folder, 'b.txt'))
  const found = await enumerator.discover(known)
  expect((await read(source, found)).values).toEqual(['two'])
  expect(await enumerator.restore(start, 1)).toEqual([...start, ...found])
  rmSync(folder, { recursive: true })
  expect(await enumerator.discover(known)).toEqual([])
  expect(warnings).toEqual([expect.stringContaining('could not look for new files')])
})

test('options that can not be are refused by name, and so is a folder that is not there', async () => {
  const format = textLines()
  expect(() => FileSource.of({ paths: [], format })).toThrow('paths')
  expect(() => FileSource.of({ paths: 'x', format, maxSplitSize: 0 })).toThrow('maxSplitSize')
  expect(() => FileSource.of({ paths: 'x', format, discoveryInterval: 0 })).toThrow('discoveryInterval')
  const missing = enumeratorOf(FileSource.of({ paths: join(folder, 'none'), format }))
  await expect(missing.start(1)).rejects.toMatchObject({ code: 'MR_CONFIGURATION' })
  await enumeratorOf(sourceOf(format)).start(1)
  expect(warnings).toEqual([`there is no file in ${folder} yet`])
})
