import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SourceSplit } from '../../../src/api/source.ts'
import { addSplits, assignSplits, splitsOfSubtask } from '../../../src/coordinator/splits.ts'

const splitsNamed = (...ids: readonly string[]): readonly SourceSplit[] => ids.map((id) => ({ id, position: 0 }))

test('splits are dealt out over their ids, whatever their order', () => {
  const assigned = assignSplits(splitsNamed('c', 'a', 'd', 'b', 'e'), 2)
  expect(assigned.map(({ split, subtaskIndex }) => `${split.id}→${subtaskIndex}`)).toEqual([
    'a→0',
    'b→1',
    'c→0',
    'd→1',
    'e→0',
  ])
})

test('new splits go to the subtasks with the fewest, known ones are left out', () => {
  const assigned = assignSplits(splitsNamed('a', 'b', 'c'), 3).slice(0, 2)
  const added = addSplits(assigned, splitsNamed('a', 'x', 'y', 'x', 'z', 'w'), 3)
  expect(added.map(({ split, subtaskIndex }) => `${split.id}→${subtaskIndex}`)).toEqual(['x→2', 'y→0', 'z→1', 'w→2'])
})

test('no subtask has two splits more than another, and every split has one subtask', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(30), fc.nat(30), (parallelism, first, later) => {
      const ids = Array.from({ length: first + later }, (_, index) => `s${index}`)
      const assigned = assignSplits(splitsNamed(...ids.slice(0, first)), parallelism)
      const all = [...assigned, ...addSplits(assigned, splitsNamed(...ids), parallelism)]
      expect(all.map(({ split }) => split.id).toSorted()).toEqual(ids.toSorted())
      const counts = Array.from({ length: parallelism }, (_, subtask) => splitsOfSubtask(all, subtask, []).length)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
    }),
  )
})

test('a subtask reads from the checkpoint where that has the split, else from where the split was found (R18)', () => {
  const assigned = assignSplits(splitsNamed('a', 'b'), 1)
  const checkpointed = [{ id: 'a', position: 17 }]
  expect(splitsOfSubtask(assigned, 0, checkpointed)).toEqual([
    { id: 'a', position: 17 },
    { id: 'b', position: 0 },
  ])
})
