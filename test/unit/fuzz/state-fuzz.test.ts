import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeKey } from '../../../src/common/key.ts'
import { serializerOf } from '../../../src/formats/serializer.ts'
import { int32 } from '../../../src/formats/types.ts'
import { Chunk } from '../../../src/state/chunk-reader.ts'
import { ChunkWriter } from '../../../src/state/chunk-writer.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import {
  blobReferenceOf,
  encodeManifest,
  readManifest,
  type SubtaskManifest,
} from '../../../src/state/subtask-manifest.ts'
import { atOnce, damaged, damages, fuzzRuns, fuzzTimeoutMs, valueOrClearError } from './support.ts'

const serializer = serializerOf(int32())

function chunkOf(keys: readonly string[], namespaces: readonly number[]): Buffer {
  const writer = new ChunkWriter({ stateName: 'panes', kind: 'panes', serializer })
  writer.begin(17, 'delta', { dropped: namespaces.length, removed: keys.length })
  for (const namespace of namespaces) writer.namespace(namespace)
  for (const key of keys) {
    writer.key(key)
    writer.namespace(7)
  }
  for (const [index, key] of keys.entries()) {
    writer.key(key)
    writer.namespace(index)
    writer.value(index)
  }
  return Buffer.from(writer.finish())
}

/** Everything in a chunk, in its ranges. */
function readWhole(bytes: Buffer): unknown {
  const chunk = new Chunk(bytes, 'The blob b')
  const rows: unknown[] = [...chunk.droppedNamespaces()]
  const text = (range: { start: number; end: number }) => {
    expect(range.start).toBeGreaterThanOrEqual(0)
    expect(range.end).toBeLessThanOrEqual(bytes.length)
    return bytes.toString('hex', range.start, range.end)
  }
  chunk.visit(
    (key, place) => rows.push([text(key), typeof place === 'object' ? text(place) : place]),
    (key, place, value) => rows.push([text(key), typeof place === 'object' ? text(place) : place, text(value)]),
  )
  const { kind, pieceKind, keyGroup, stateName, schemaText, fingerprint, entries } = chunk
  return { kind, pieceKind, keyGroup, stateName, schemaText, fingerprint, entries, rows }
}

const chunks = fc
  .tuple(fc.array(fc.string({ maxLength: 40 }), { maxLength: 6 }), fc.array(fc.integer(), { maxLength: 4 }))
  .map(([keys, namespaces]) => chunkOf(keys, namespaces))

describe('chunks', () => {
  test(
    'damage of any kind is refused',
    () => {
      fc.assert(
        fc.property(chunks, damages, (sound, list) => {
          const bytes = damaged(sound, list)
          fc.pre(!bytes.equals(sound))
          expect(atOnce(() => valueOrClearError(() => readWhole(bytes), ['MR_CHECKPOINT_DAMAGED']))).toBe(undefined)
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'damage under a right checksum gives rows within the chunk or a clear error, at once',
    () => {
      fc.assert(
        fc.property(chunks, damages, (sound, list) => {
          const bytes = withChecksum(damaged(sound.subarray(0, sound.length - 4), list))
          atOnce(() => valueOrClearError(() => readWhole(bytes), ['MR_CHECKPOINT_DAMAGED']))
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'random bytes are refused',
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (random, checked) => {
          const bytes = checked ? withChecksum(Buffer.from(random)) : Buffer.from(random)
          expect(atOnce(() => valueOrClearError(() => readWhole(bytes), ['MR_CHECKPOINT_DAMAGED']))).toBe(undefined)
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )
})

function withChecksum(body: Buffer): Buffer {
  const bytes = Buffer.concat([body, Buffer.alloc(4)])
  bytes.writeUInt32LE(crc32c(body), body.length)
  return bytes
}

test(
  'keys: random and damaged bytes are a key or a clear error',
  () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        valueOrClearError(() => decodeKey(Buffer.from(bytes), 0, bytes.length), ['MR_INTERNAL'])
      }),
      fuzzRuns(300),
    )
  },
  fuzzTimeoutMs,
)

const manifest: SubtaskManifest = {
  formatVersion: 1,
  jobId: 'a'.repeat(32),
  vertexId: 'b'.repeat(32),
  attemptId: 'attempt',
  subtaskIndex: 1,
  parallelism: 2,
  maxParallelism: 128,
  checkpointId: 7,
  base: 6,
  blobs: [{ name: 'blob', length: 100, checksum: 5 }],
  operators: [
    {
      uid: 'count',
      watermark: 5,
      keyedStates: [
        { name: 'sums', pieces: [{ keyGroup: 1, blob: 0, offset: 0, length: 10, checksum: 3, isContinuation: false }] },
      ],
      operatorStates: [{ name: 'buffer', redistribution: 'union', blob: 0, offset: 10, length: 4, checksum: 9 }],
      committables: [{ checkpointId: 6, committables: [{ id: 'x' }] }],
    },
  ],
}

describe('manifests', () => {
  const read = async (bytes: Buffer, reference = blobReferenceOf('m', bytes)): Promise<unknown> => {
    const store = new MemoryBlobStore()
    await store.put('m', bytes)
    return readManifest(store, reference)
  }

  test(
    'damage of any kind is refused by the checksum',
    async () => {
      const sound = encodeManifest(manifest)
      await fc.assert(
        fc.asyncProperty(damages, async (list) => {
          const bytes = damaged(sound, list)
          fc.pre(!bytes.equals(sound))
          const refused = read(bytes, blobReferenceOf('m', sound))
          await expect(refused).rejects.toMatchObject({ code: 'MR_CHECKPOINT_DAMAGED' })
        }),
        fuzzRuns(200),
      )
    },
    fuzzTimeoutMs,
  )

  test(
    'text that is no manifest is refused, or reads as what it says, whatever its checksum',
    async () => {
      const strange = fc.oneof(
        damages.map((list) => damaged(encodeManifest(manifest), list)),
        fc.json().map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.tuple(fc.constantFrom(...Object.keys(manifest)), fc.jsonValue()).map(([name, value]) => {
          return Buffer.from(JSON.stringify({ ...JSON.parse(encodeManifest(manifest).toString()), [name]: value }))
        }),
      )
      await fc.assert(
        fc.asyncProperty(strange, async (bytes) => {
          const value = await read(bytes).catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'MR_CHECKPOINT_DAMAGED' })
            return undefined
          })
          if (value === undefined) return
          const again = encodeManifest(value as SubtaskManifest)
          expect(await read(again)).toEqual(value)
        }),
        fuzzRuns(300),
      )
    },
    fuzzTimeoutMs,
  )
})
