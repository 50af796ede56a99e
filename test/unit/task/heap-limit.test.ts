import { expect, test } from 'vitest'
import { HeapLimit } from '../../../src/task/heap-limit.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

function heapOf(live: number, garbage: number, collectionMs = 10) {
  const clock = new VirtualClock()
  const heap = { live, garbage, collections: 0 }
  const limit = new HeapLimit(
    100,
    {
      usedBytes: () => heap.live + heap.garbage,
      collectGarbage: () => {
        heap.collections++
        heap.garbage = 0
        clock.advanceTo(clock.now() + collectionMs)
      },
    },
    clock,
  )
  return { clock, heap, limit }
}

test('below the limit nothing happens', () => {
  const { heap, limit } = heapOf(50, 50)
  limit.check()
  expect(heap.collections).toBe(0)
})

test('garbage above the limit is collected, and the slot goes on', () => {
  const { heap, limit } = heapOf(50, 51)
  limit.check()
  expect(heap.collections).toBe(1)
})

test('what lives above the limit fails the slot (R31)', () => {
  const { limit } = heapOf(101, 0)
  expect(() => limit.check()).toThrow(expect.objectContaining({ code: 'MR_SLOT_OUT_OF_MEMORY' }))
})

test('a heap that is full again right after a collection fails the slot, before it does nothing else than collect', () => {
  const { clock, heap, limit } = heapOf(95, 10)
  limit.check()
  heap.garbage = 10
  expect(() => limit.check()).toThrow(expect.objectContaining({ code: 'MR_SLOT_OUT_OF_MEMORY' }))
  clock.advanceTo(clock.now() + 50)
  limit.check()
  expect(heap.collections).toBe(2)
})
