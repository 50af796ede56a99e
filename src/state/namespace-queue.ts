/**
 * The lowest of the namespaces that exist. A binary heap; a namespace that is gone stays in it until it comes to the
 * top or until half of the heap is stale.
 */
export class NamespaceQueue {
  #heap: number[] = []

  add(namespace: number): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(namespace)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as number
      if (above <= namespace) break
      heap[index] = above
      index = parent
    }
    heap[index] = namespace
  }

  /** Infinity: there is none. */
  lowest(existing: ReadonlyMap<number, unknown>): number {
    const heap = this.#heap
    if (heap.length > 2 * existing.size + 64) this.#rebuild(existing)
    for (;;) {
      const top = this.#heap[0]
      if (top === undefined) return Number.POSITIVE_INFINITY
      if (existing.has(top)) return top
      this.#removeTop()
    }
  }

  #removeTop(): void {
    const heap = this.#heap
    const last = heap.pop() as number
    const length = heap.length
    if (length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && (heap[child + 1] as number) < (heap[child] as number)) child++
      const below = heap[child] as number
      if (below >= last) break
      heap[index] = below
      index = child
    }
    heap[index] = last
  }

  /** A sorted array is a heap. */
  #rebuild(existing: ReadonlyMap<number, unknown>): void {
    this.#heap = Array.from(existing.keys()).sort((left, right) => left - right)
  }
}
