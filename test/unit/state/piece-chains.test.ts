import { expect, test } from 'vitest'
import { baseViolation, fullPiecesDue, sparseBlobs } from '../../../src/state/piece-chains.ts'
import type { SubtaskManifest } from '../../../src/state/subtask-manifest.ts'

const piece = (keyGroup: number, length: number) => ({ keyGroup, length })

test('a key group is due for a full piece when its deltas exceed its first piece or it has 16 pieces (R5)', () => {
  expect(fullPiecesDue([piece(1, 100), piece(1, 50), piece(1, 50)], 64)).toEqual(new Set())
  expect(fullPiecesDue([piece(1, 100), piece(1, 50), piece(1, 51)], 64)).toEqual(new Set([1]))
  const many = Array.from({ length: 16 }, () => piece(2, 1))
  many[0] = piece(2, 1000)
  expect(fullPiecesDue(many.slice(0, 15), 64)).toEqual(new Set())
  expect(fullPiecesDue(many, 64)).toEqual(new Set([2]))
})

test('at most an eighth of the key groups is due in one checkpoint, the longest tails first, and at least one (R5)', () => {
  const pieces = Array.from({ length: 32 }, (_, keyGroup) => [
    piece(keyGroup, 10),
    piece(keyGroup, 20 + keyGroup),
  ]).flat()
  expect(fullPiecesDue(pieces, 32)).toEqual(new Set([31, 30, 29, 28]))
  expect(fullPiecesDue(pieces.slice(0, 4), 2)).toEqual(new Set([1]))
})

function manifestWith(
  blobs: readonly (readonly [string, number])[],
  pieces: readonly (readonly [blob: number, length: number, keyGroup?: number])[],
): SubtaskManifest {
  return {
    formatVersion: 1,
    jobId: 'job',
    vertexId: 'vertex',
    attemptId: 'a1',
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 8,
    checkpointId: 3,
    base: 2,
    blobs: blobs.map(([name, length]) => ({ name, length, checksum: 0 })),
    operators: [
      {
        uid: 'x',
        watermark: 0,
        keyedStates: [
          {
            name: 's',
            pieces: pieces.map(([blob, length, keyGroup], index) => ({
              ...{ keyGroup: keyGroup ?? index, blob, offset: 0, length, checksum: 0, isContinuation: false },
            })),
          },
        ],
        operatorStates: [],
        committables: [],
      },
    ],
  }
}

test('a blob of which less than half is used is sparse (R5)', () => {
  const blobs = [
    ['half', 100],
    ['less', 100],
    ['unused', 100],
  ] as const
  const manifest = manifestWith(blobs, [
    [0, 25],
    [0, 25],
    [1, 49],
  ])
  expect(sparseBlobs(manifest)).toEqual(new Set([1]))
})

test('a blob is left alone while one of its pieces waits for the full piece of its key group', () => {
  const blobs = [
    ['old', 100],
    ['deltas', 10],
  ] as const
  const [old, delta] = [
    [0, 20, 7],
    [1, 10, 7],
  ] as const
  expect(sparseBlobs(manifestWith(blobs, [old, delta]))).toEqual(new Set([0]))
  const overlong = Array.from({ length: 3 }, () => delta)
  expect(sparseBlobs(manifestWith(blobs, [old, ...overlong]))).toEqual(new Set())
})

test('a manifest may name its own blobs and those of its base, and nothing else (R1)', () => {
  const own = ['job/a1/chk-3/0', 10] as const
  const old = ['job/a0/chk-1/0', 10] as const
  const base = manifestWith([old], [[0, 10]])
  const manifest = manifestWith([own, old], [[0, 10]])
  expect(baseViolation(manifest, base)).toBeUndefined()
  expect(baseViolation(manifestWith([own], []), undefined)).toBeUndefined()
  expect(baseViolation(manifest, undefined)).toMatch(/job\/a0\/chk-1\/0/)
  // Of an aborted checkpoint of the same attempt.
  expect(baseViolation(manifestWith([['job/a1/chk-2/0', 1]], []), base)).toMatch(/job\/a1\/chk-2\/0/)
})
