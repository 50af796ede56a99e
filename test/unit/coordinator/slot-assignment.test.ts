import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignSlots } from '../../../src/coordinator/slot-assignment.ts'
import { executionGraph } from '../../../src/graph/execution-graph.ts'
import { planOf, type VertexSketch } from './plans.ts'

function slotsOf(sketches: readonly VertexSketch[]): readonly string[] {
  const plan = planOf(sketches)
  const { subtasks } = executionGraph(plan)
  const slots = assignSlots(plan, subtasks)
  const names = new Map(plan.vertices.map(({ id, name }) => [id, name]))
  return subtasks.map(({ index, vertexId, subtaskIndex }) => `${names.get(vertexId)}${subtaskIndex}→${slots[index]}`)
}

test('subtask i of a vertex of full parallelism is in slot i', () => {
  const slots = slotsOf([
    { name: 'source', parallelism: 2, kind: 'source' },
    { name: 'sink', parallelism: 2, kind: 'sink', reads: { source: 'hash' } },
  ])
  expect(slots).toEqual(['source0→0', 'source1→1', 'sink0→0', 'sink1→1'])
})

test('vertices of low parallelism spread over the slots, and lie with what they read from', () => {
  const slots = slotsOf([
    { name: 'a', parallelism: 1, kind: 'source' },
    { name: 'b', parallelism: 1, kind: 'source' },
    { name: 'wide', parallelism: 4, kind: 'operator', reads: { a: 'hash', b: 'hash' } },
    { name: 'narrow', parallelism: 1, kind: 'sink', reads: { wide: 'rebalance' } },
    { name: 'after', parallelism: 1, kind: 'sink', reads: { b: 'forward' } },
  ])
  expect(slots.filter((slot) => !slot.startsWith('wide'))).toEqual(['a0→0', 'b0→1', 'narrow0→2', 'after0→1'])
})

test('each slot sharing group has slots of its own', () => {
  const slots = slotsOf([
    { name: 'source', parallelism: 2, kind: 'source' },
    { name: 'apart', parallelism: 3, kind: 'operator', reads: { source: 'rebalance' }, slotSharingGroup: 'apart' },
    { name: 'sink', parallelism: 2, kind: 'sink', reads: { apart: 'rebalance' } },
  ])
  expect(slots).toEqual(['source0→0', 'source1→1', 'apart0→2', 'apart1→3', 'apart2→4', 'sink0→0', 'sink1→1'])
})

test('no slot gets two subtasks of a vertex', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }), (parallelisms) => {
      const places = slotsOf(
        parallelisms.map((parallelism, index) => ({ name: `v${index}.`, parallelism, kind: 'source' })),
      ).map((text) => text.replace(/\.\d+→/, ' in '))
      expect(new Set(places).size).toBe(places.length)
    }),
  )
})
