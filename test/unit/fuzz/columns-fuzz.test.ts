import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ColumnBatch, columnBufferLength } from '../../../src/columns/column-batch.ts'
import type { Expression } from '../../../src/columns/expression.ts'
import { compileScan } from '../../../src/columns/scan-script.ts'
import { canonicalKeyBytes, hashKey } from '../../../src/common/key.ts'
import { type JsonLayout, layoutOf } from '../../../src/formats/json-lexer.ts'
import { boolean, double, int32, nullable, record, string } from '../../../src/formats/types.ts'
import { damaged, damages, fuzzRuns, fuzzTimeoutMs } from './support.ts'

const type = record({ name: string(), size: int32(), ratio: double(), flag: boolean(), note: nullable(string()) })
interface Row {
  readonly name: string
  readonly size: number
  readonly ratio: number
  readonly flag: boolean
  readonly note: string | null
}
const field = (name: string): Expression => ({ kind: 'field', name })
const plan = { record: type, timestamp: field('size'), conditions: [], keys: [field('name')], values: [field('ratio')] }

const rows: fc.Arbitrary<Row> = fc.record({
  name: fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 6 })),
  size: fc.integer(),
  ratio: fc.oneof(
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  ),
  flag: fc.boolean(),
  note: fc.option(fc.string({ maxLength: 5 })),
})

function newBatch(): ColumnBatch {
  const batch = new ColumnBatch({ values: 1 })
  batch.open(new ArrayBuffer(columnBufferLength({ values: 1 })))
  return batch
}

/** The row that a scan makes of bytes by a layout; undefined: it leaves them to the objects. */
function scanned(bytes: Buffer, layout: JsonLayout) {
  const target = { batch: newBatch(), flush: () => undefined }
  const scan = compileScan({ plan, targets: [target] }, layout)
  if (scan === undefined) return undefined
  // A neighbour before and behind, of which nothing may be read.
  const all = Buffer.concat([Buffer.from('{"name":"'), bytes, Buffer.from('"}1234567')])
  const view = new DataView(all.buffer, all.byteOffset, all.length)
  const values = {
    bytes: all,
    valueStarts: Int32Array.of(9),
    valueEnds: Int32Array.of(9 + bytes.length),
    timestamps: new Float64Array(1),
  }
  const taken = scan(values, 0, 1, { view, records: 0, highestTimestamp: Number.NEGATIVE_INFINITY })
  if (taken === 0) return undefined
  const { batch } = target
  const key = batch.bytes.toString('hex', batch.keysStart, batch.keyEnds[0])
  return { key, hash: batch.hashes[0], at: batch.timestamps[0], ratio: batch.values[0]?.[0] }
}

test(
  'a damaged row that the scan of columns takes is what JSON.parse makes of it, and what it does not is left to the objects',
  () => {
    let taken = 0
    fc.assert(
      fc.property(
        rows,
        rows,
        fc.oneof(
          damages.map(([first]) => (first === undefined ? [] : [first])),
          damages,
        ),
        (sample, row, list) => {
          const text = Buffer.from(JSON.stringify(sample))
          const layout = layoutOf(text, 0, text.length)
          if (layout === undefined) return
          const bytes = damaged(Buffer.from(JSON.stringify(row)), list)
          const found = scanned(bytes, layout)
          if (found === undefined) return
          taken++
          const { name, size, ratio } = JSON.parse(bytes.toString('utf8')) as Row
          const key = canonicalKeyBytes(name).toString('hex')
          expect(found).toEqual({ key, hash: hashKey(name), at: size, ratio })
        },
      ),
      fuzzRuns(300),
    )
    expect(taken).toBeGreaterThan(0)
  },
  fuzzTimeoutMs,
)
