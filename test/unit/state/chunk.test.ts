import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Key } from '../../../src/api/functions.ts'
import { MillraceError } from '../../../src/common/errors.ts'
import { decodeKey } from '../../../src/common/key.ts'
import { serializerOf } from '../../../src/formats/serializer.ts'
import { int32 } from '../../../src/formats/types.ts'
import { type ByteRange, Chunk } from '../../../src/state/chunk-reader.ts'
import { ChunkWriter } from '../../../src/state/chunk-writer.ts'

const serializer = serializerOf(int32())

interface Rows {
  readonly dropped: readonly number[]
  readonly removed: readonly (readonly [Key, number])[]
  readonly entries: readonly (readonly [Key, number, number])[]
}

function chunkOf(rows: Rows): Buffer {
  const writer = new ChunkWriter({ stateName: 'the panes', kind: 'panes', serializer })
  writer.begin(17, 'delta', {
    dropped: rows.dropped.length,
    removed: rows.removed.length,
  })
  for (const namespace of rows.dropped) writer.namespace(namespace)
  for (const [key, namespace] of rows.removed) {
    writer.key(key)
    writer.namespace(namespace)
  }
  for (const [key, namespace, value] of rows.entries) {
    writer.key(key)
    writer.namespace(namespace)
    writer.value(value)
  }
  return writer.finish()
}

function rowsOf(bytes: Buffer): Rows {
  const chunk = new Chunk(bytes, 'The blob b')
  const key = ({ start, end }: ByteRange): Key => decodeKey(chunk.bytes, start, end)
  const removed: [Key, number][] = []
  const entries: [Key, number, number][] = []
  const dropped = chunk.droppedNamespaces()
  chunk.visit(
    (range, place) => removed.push([key(range), place as number]),
    (range, place, value) =>
      entries.push([key(range), place as number, serializer.decode(chunk.bytes, value.start, value.end)]),
  )
  return { dropped, removed, entries }
}

const key = fc.oneof(fc.string({ maxLength: 200 }), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.bigInt())
const namespace = fc.integer()
const rows: fc.Arbitrary<Rows> = fc.record({
  dropped: fc.array(namespace),
  removed: fc.array(fc.tuple(key, namespace)),
  entries: fc.array(fc.tuple(key, namespace, fc.integer())),
})

/** −0 comes back as 0 (R36). */
const normal = (value: Rows): unknown =>
  JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item)))

test('a chunk is read back as it was written', () => {
  fc.assert(
    fc.property(rows, (written) => {
      const bytes = chunkOf(written)
      expect(normal(rowsOf(bytes))).toEqual(normal(written))
      const chunk = new Chunk(bytes, 'The blob b')
      expect(chunk).toMatchObject({ stateName: 'the panes', kind: 'panes', pieceKind: 'delta', keyGroup: 17 })
      expect(chunk.schemaText).toBe(serializer.schemaText)
      expect(chunk.fingerprint).toBe(serializer.fingerprint)
    }),
  )
})

/** What a reader may say about damage; anything else, above all an answer, is wrong. */
function expectDamaged(read: () => unknown): void {
  expect(read).toThrow(MillraceError)
  expect(read).toThrow(/The blob b is damaged/)
}

test('damage of any kind is MR_CHECKPOINT_DAMAGED naming the blob, never a wrong value (I6)', () => {
  const damage = fc.oneof(
    fc.record({ type: fc.constant('flip' as const), at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ type: fc.constant('cut' as const), at: fc.nat(), bits: fc.constant(0) }),
    fc.record({ type: fc.constant('insert' as const), at: fc.nat(), bits: fc.nat(255) }),
  )
  fc.assert(
    fc.property(rows, damage, (written, { type, at, bits }) => {
      const bytes = chunkOf(written)
      const position = at % bytes.length
      let damaged: Buffer
      if (type === 'cut') damaged = bytes.subarray(0, position)
      else if (type === 'insert') {
        damaged = Buffer.concat([bytes.subarray(0, position), Buffer.from([bits]), bytes.subarray(position)])
      } else {
        damaged = Buffer.from(bytes)
        damaged[position] = (damaged[position] as number) ^ bits
      }
      expectDamaged(() => rowsOf(damaged))
    }),
    { numRuns: 500 },
  )
})

test('bytes whose checksum is right but whose lengths are wrong are refused without reading past the end', () => {
  fc.assert(
    fc.property(rows, fc.nat(), fc.nat(255), (written, at, byte) => {
      const bytes = chunkOf(written)
      const position = at % (bytes.length - 4)
      bytes[position] = byte
      bytes.writeUInt32LE(crc32c(bytes.subarray(0, bytes.length - 4)), bytes.length - 4)
      let end = 0
      const visited = (...ranges: unknown[]): void => {
        for (const range of ranges) if (typeof range === 'object') end = Math.max(end, (range as ByteRange).end)
      }
      try {
        const chunk = new Chunk(bytes, 'The blob b')
        chunk.droppedNamespaces()
        chunk.visit(visited, visited)
      } catch (error) {
        expect(error).toMatchObject({ code: 'MR_CHECKPOINT_DAMAGED' })
      }
      expect(end).toBeLessThanOrEqual(bytes.length - 4)
    }),
    { numRuns: 500 },
  )
})

test('a chunk of another format version is refused', () => {
  const bytes = chunkOf({ dropped: [], removed: [], entries: [] })
  bytes[4] = 2
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, bytes.length - 4)), bytes.length - 4)
  expectDamaged(() => new Chunk(bytes, 'The blob b'))
})
