/** Keys that wait at most, so that what a flush sends at once stays about the credits of the channels (R33). */
export const mostPartials = 4096
/** Records after which it is judged whether combining pays. */
const probedRecords = 8192
/** Records that go singly after it did not. */
const singleRecords = 16 * probedRecords
/** Records of a partial on average, below which combining costs more than it saves (R34). */
const leastReduction = 2

/** Combines the records of an edge before they are sent (R34). */
export interface Combiner {
  /** Whether something waits. */
  readonly buffered: boolean
  /** Everything goes out: on the buffer timeout, and before what must not overtake it. */
  flush(): void
  /** The watermark that the receiver gets next, behind all that was flushed. */
  advanceWatermark(watermark: number): void
}

/** Judges whether combining pays (R34). */
export class CombiningGain {
  #records = 0
  #partials = 0
  /** Records that still go singly. */
  #singles = 0

  /** Whether the next record goes singly; it is one fewer then. */
  takeSingle(): boolean {
    if (this.#singles === 0) return false
    this.#singles--
    return true
  }

  /** A record is combined. */
  addRecord(): void {
    this.#records++
  }

  /** What was combined is sent. */
  addPartial(): void {
    this.#partials++
  }

  /** When nothing waits. */
  judge(): void {
    if (this.#records < probedRecords) return
    if (this.#records < this.#partials * leastReduction) this.#singles = singleRecords
    this.#records = 0
    this.#partials = 0
  }
}
