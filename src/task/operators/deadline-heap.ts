import type { Key } from '../../api/functions.ts'

export interface Deadline {
  readonly time: number
  readonly key: Key
  readonly keyHash: number
}

/** Deadlines of keys, the earliest first: a binary heap. Not part of snapshots: it is made again from keyed state. */
export class DeadlineHeap {
  readonly #heap: Deadline[] = []

  get size(): number {
    return this.#heap.length
  }

  /** Infinity: none. */
  get earliest(): number {
    return this.#heap[0]?.time ?? Number.POSITIVE_INFINITY
  }

  push(deadline: Deadline): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(deadline)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as Deadline
      if (above.time <= deadline.time) break
      heap[index] = above
      index = parent
    }
    heap[index] = deadline
  }

  /** undefined: there is none. */
  pop(): Deadline | undefined {
    const heap = this.#heap
    const earliest = heap[0]
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) this.#sink(last)
    return earliest
  }

  /** Puts `deadline` at the top and lets it sink. */
  #sink(deadline: Deadline): void {
    const heap = this.#heap
    const count = heap.length
    let index = 0
    for (let child = 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && (heap[child + 1] as Deadline).time < (heap[child] as Deadline).time) child++
      const below = heap[child] as Deadline
      if (below.time >= deadline.time) break
      heap[index] = below
      index = child
    }
    heap[index] = deadline
  }
}
