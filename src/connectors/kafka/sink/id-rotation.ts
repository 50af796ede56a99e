/** Where one transactional id of an attempt stands (R15). */
type IdUse =
  | { readonly type: 'open' }
  /** Listed, or about to be, since this checkpoint; not committed. */
  | { readonly type: 'prepared'; readonly beganMs: number }
  /** Committed; `cut`: how many barriers had come by then. */
  | { readonly type: 'committed'; readonly cut: number }
  /** Its transaction stands in no checkpoint from this one on. */
  | { readonly type: 'resting'; readonly checkpointId: number }

/**
 * The transactional ids of one attempt, by their number. An id carries one transaction after another, but is used again
 * only after a checkpoint that does not list its last transaction any more has completed: whoever restores an older one
 * ends that transaction by the id and its epoch (R15).
 */
export class IdRotation {
  readonly #uses = new Map<number, IdUse>()
  #mark: number
  #cuts = 0

  /** @param mark ids below it may be used: they stand in the job's record */
  constructor(mark: number) {
    this.#mark = mark
  }

  get mark(): number {
    return this.#mark
  }

  /** Ids that may be taken now. */
  get free(): number {
    return this.#mark - this.#uses.size
  }

  raise(mark: number): void {
    this.#mark = Math.max(this.#mark, mark)
  }

  /** The lowest free id; undefined: none is free. */
  take(): number | undefined {
    for (let id = 0; id < this.#mark; id++) {
      if (this.#uses.has(id)) continue
      this.#uses.set(id, { type: 'open' })
      return id
    }
    return undefined
  }

  /** A barrier has come. What was committed before the barrier before it is in no list that is made from now on. */
  cut(checkpointId: number): void {
    this.#cuts++
    for (const [id, use] of this.#uses) {
      if (use.type === 'committed' && use.cut < this.#cuts - 1) this.#uses.set(id, { type: 'resting', checkpointId })
    }
  }

  /** @param beganMs when its transaction began, monotonic milliseconds */
  prepared(id: number, beganMs: number): void {
    this.#uses.set(id, { type: 'prepared', beganMs })
  }

  committed(id: number): void {
    this.#uses.set(id, { type: 'committed', cut: this.#cuts })
  }

  /** A checkpoint has completed. */
  completed(checkpointId: number): void {
    for (const [id, use] of this.#uses) {
      if (use.type === 'resting' && use.checkpointId <= checkpointId) this.#uses.delete(id)
    }
  }

  /** When the oldest transaction began that waits for its commit; Infinity: none does. */
  oldestPreparedMs(): number {
    let oldest = Number.POSITIVE_INFINITY
    for (const use of this.#uses.values()) if (use.type === 'prepared') oldest = Math.min(oldest, use.beganMs)
    return oldest
  }
}
