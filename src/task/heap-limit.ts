import { MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'

export interface HeapPorts {
  /** Used bytes of the slot's heap, garbage included; cheap enough for every batch (R31). */
  usedBytes(): number
  /** A full collection, where the host can do it. */
  collectGarbage: (() => void) | undefined
}

/** A slot spends at most this part of its time on collections that the limit asks for. */
const collectionShare = 0.2

/**
 * The soft limit of a slot's heap (R31). V8 lets garbage grow towards its own, far higher limit, so what counts is what
 * remains after a collection.
 */
export class HeapLimit {
  readonly #limitBytes: number
  readonly #heap: HeapPorts
  readonly #clock: Clock
  #nextCollectionAt = Number.NEGATIVE_INFINITY

  constructor(limitBytes: number, heap: HeapPorts, clock: Clock) {
    this.#limitBytes = limitBytes
    this.#heap = heap
    this.#clock = clock
  }

  /** @throws MillraceError MR_SLOT_OUT_OF_MEMORY */
  check(): void {
    if (this.#heap.usedBytes() <= this.#limitBytes) return
    this.#collect()
    const used = this.#heap.usedBytes()
    if (used <= this.#limitBytes) return
    throw new MillraceError(
      'MR_SLOT_OUT_OF_MEMORY',
      `the slot's heap holds ${megabytes(used)} MB, its limit is ${megabytes(this.#limitBytes)} MB`,
    )
  }

  #collect(): void {
    const { collectGarbage } = this.#heap
    if (collectGarbage === undefined) return
    const startedAt = this.#clock.monotonicMs()
    // So close together collections mean that the heap is full in all but name.
    if (startedAt < this.#nextCollectionAt) return
    collectGarbage()
    const endedAt = this.#clock.monotonicMs()
    this.#nextCollectionAt = endedAt + (endedAt - startedAt) / collectionShare
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024)
}
