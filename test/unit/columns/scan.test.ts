import fc from 'fast-check'
import { boolean, double, int32, nullable, record, string } from 'millrace/formats'
import { expect, test } from 'vitest'
import { ColumnBatch, columnBufferLength, columnRows } from '../../../src/columns/column-batch.ts'
import type { Expression } from '../../../src/columns/expression.ts'
import { compileScan, type ScanProgress } from '../../../src/columns/scan-script.ts'
import { canonicalKeyBytes, hashKey } from '../../../src/common/key.ts'
import { type JsonLayout, layoutOf } from '../../../src/formats/json-lexer.ts'

const type = record({ name: string(), size: int32(), ratio: double(), flag: boolean(), note: nullable(string()) })
interface Row {
  readonly name: string
  readonly size: number
  readonly ratio: number
  readonly flag: boolean
  readonly note: string | null
}
const field = (name: string): Expression => ({ kind: 'field', name })

/** Scans rows by the layout of the first one; gives what came into the batches, and how many rows it took. */
function scanned(rows: readonly Row[], keys: readonly string[]) {
  const parts = rows.map((row) => Buffer.from(JSON.stringify(row)))
  const bytes = Buffer.concat(parts)
  const ends = Int32Array.from(
    parts,
    (
      (end) => (part: Buffer) =>
        (end += part.length)
    )(0),
  )
  const starts = Int32Array.from(parts, ({ length }, index) => (ends[index] as number) - length)
  const batches: ColumnBatch[] = []
  const target = {
    batch: new ColumnBatch({ values: 1 }),
    flush() {
      batches.push(target.batch)
      target.batch = new ColumnBatch({ values: 1 })
      target.batch.open(new ArrayBuffer(columnBufferLength({ values: 1 })))
    },
  }
  target.batch.open(new ArrayBuffer(columnBufferLength({ values: 1 })))
  const plan = {
    record: type,
    timestamp: field('size'),
    conditions: [],
    keys: keys.map(field),
    values: [field('ratio')],
  }
  const layout = layoutOf(bytes, 0, ends[0] as number) as JsonLayout
  const scan = compileScan({ plan, targets: [target, target, target] }, layout)
  const progress: ScanProgress = {
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    records: 0,
    highestTimestamp: Number.NEGATIVE_INFINITY,
  }
  const values = { bytes, valueStarts: starts, valueEnds: ends, timestamps: new Float64Array(rows.length) }
  const taken = scan?.(values, 0, rows.length, progress)
  return { taken, progress, batches: [...batches, target.batch] }
}

function rowsOf(batches: readonly ColumnBatch[]) {
  return batches.flatMap((batch) => {
    let start = batch.keysStart
    return Array.from({ length: batch.count }, (_, row) => {
      const end = batch.keyEnds[row] as number
      const key = batch.bytes.toString('hex', start, end)
      start = end
      return { key, hash: batch.hashes[row], at: batch.timestamps[row], ratio: batch.values[0]?.[row] }
    })
  })
}

const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'Z', '0', '-', ' '), maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('a', 'é', '日', '\u{1f600}'), maxLength: 12 }),
)
const rows: fc.Arbitrary<Row> = fc.record({
  name: texts,
  size: fc.integer(),
  ratio: fc.integer({ min: -1000, max: 1000 }).map((value) => value / 8),
  flag: fc.boolean(),
  note: texts,
})

test.each([[['name']], [['size']], [['flag']], [['note']], [['ratio']], [['name', 'size', 'flag']]])(
  'keys of %j have the canonical bytes and the hash that they have on objects (R36)',
  (keys) => {
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 20 }), (list) => {
        const { taken, progress, batches } = scanned(list, keys)
        const expected = list.map((row) => {
          const parts = keys.map((name) => row[name as keyof Row] as string | number | boolean)
          const key = parts.length === 1 ? (parts[0] as string) : parts
          const ratio = row.ratio + 0
          return { key: canonicalKeyBytes(key).toString('hex'), hash: hashKey(key), at: row.size + 0, ratio }
        })
        expect(taken).toBe(list.length)
        expect(progress.records).toBe(list.length)
        expect(progress.highestTimestamp).toBe(Math.max(...list.map(({ size }) => size)))
        expect(rowsOf(batches)).toEqual(expected)
      }),
      { numRuns: 60 },
    )
  },
)

test('every length of an ASCII key, also where batches fill up and their buffers grow', () => {
  const row = { size: 1, ratio: 0.5, flag: true, note: null }
  const list = Array.from({ length: 3 * columnRows + 7 }, (_, index) => ({
    ...row,
    name: 'k'.repeat(index % 97),
    note: '',
  }))
  const { taken, batches } = scanned(list, ['name'])
  expect(taken).toBe(list.length)
  expect(batches.map(({ count }) => count)).toEqual([columnRows, columnRows, columnRows, 7])
  expect(rowsOf(batches).map(({ hash }) => hash)).toEqual(list.map(({ name }) => hashKey(name)))
})

test('what can be no key, and what is written otherwise, is left to the objects', () => {
  const row: Row = { name: 'a', size: 1, ratio: 0.5, flag: true, note: 'x' }
  expect(scanned([row, { ...row, note: null }, row], ['note']).taken).toBe(1)
  expect(scanned([row, { ...row, name: 'a"b' }], ['name']).taken).toBe(1)
  expect(scanned([row, { ...row, size: 2 ** 31 }], ['name']).taken).toBe(1)
  expect(scanned([row, { ...row, flag: 'yes' as never }], ['name']).taken).toBe(1)
})
