/** What runs actions: a process, or a thread of one. */
export interface Runner {
  alive: boolean
  /** Stopped, as by SIGSTOP, or busy: what is due meanwhile happens then. */
  pausedUntilMs: number
}

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly runner: Runner | undefined
  readonly action: () => void
}

/** Numbers in [0, 1) from a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Virtual time: one event after another, in an order that the seed decides. */
export class Scheduler {
  nowMs = 0
  /** No more faults. */
  healed = false
  readonly trace: string[] = []
  readonly random: () => number
  readonly #keepsTrace: boolean
  readonly #heap: Entry[] = []
  #order = 0

  constructor(seed: number, keepsTrace: boolean) {
    this.random = seeded(seed)
    this.#keepsTrace = keepsTrace
  }

  log(who: string, text: () => string): void {
    if (this.#keepsTrace) this.trace.push(`${this.nowMs.toFixed(1).padStart(9)} ${who.padEnd(6)} ${text()}`)
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  between(low: number, high: number): number {
    return low + this.random() * (high - low)
  }

  /** A fault of this likelihood happens now. */
  unlucky(likelihood: number): boolean {
    return !this.healed && this.random() < likelihood
  }

  after(delayMs: number, runner: Runner | undefined, action: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, order: this.#order++, runner, action })
  }

  /** The next event; false: there is none. */
  next(): boolean {
    const entry = this.#pop()
    if (entry === undefined) return false
    this.nowMs = Math.max(this.nowMs, entry.atMs)
    const { runner } = entry
    if (runner === undefined || (runner.alive && runner.pausedUntilMs <= this.nowMs)) entry.action()
    else if (runner.alive) this.#push({ ...entry, atMs: runner.pausedUntilMs })
    return true
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent] as Entry)) break
      heap[at] = heap[parent] as Entry
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++
      if (!isBefore(heap[child] as Entry, last)) break
      heap[at] = heap[child] as Entry
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}
