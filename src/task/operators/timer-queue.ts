import type { PaneState } from '../../state/pane-state.ts'

/**
 * The timers of one time domain: keyed state whose namespace is the timestamp, so that a key has at most one timer at a
 * time, and timers are restored and rescaled with their keys. Fired by timestamp, keys in the order of the pane.
 */
export class TimerQueue {
  readonly #panes: PaneState<boolean>

  constructor(panes: PaneState<boolean>) {
    this.#panes = panes
  }

  /** Of the current key. */
  register(timestamp: number): void {
    assertTimestamp(timestamp)
    if (!this.#panes.has(timestamp)) this.#panes.set(timestamp, true)
  }

  delete(timestamp: number): void {
    assertTimestamp(timestamp)
    this.#panes.removeEntry(timestamp)
  }

  /** Of all keys. */
  clear(): void {
    for (let next = this.nextTimestamp(); next !== Number.POSITIVE_INFINITY; next = this.nextTimestamp()) {
      this.#panes.dropNamespace(next)
    }
  }

  /** Infinity: none. */
  nextTimestamp(): number {
    return this.#panes.lowestNamespace()
  }

  /**
   * Fires up to `maxFirings` timers that are due at `time`, each removed before it fires and with its key as the
   * current one. Timers that firing ones register take part. False: there is more.
   */
  fireDue(time: number, maxFirings: number, fire: (timestamp: number) => void): boolean {
    let budget = maxFirings
    for (let timestamp = this.nextTimestamp(); timestamp <= time; timestamp = this.nextTimestamp()) {
      if (timestamp === Number.POSITIVE_INFINITY) return true
      const cursor = this.#panes.cursor(timestamp)
      // An earlier timer that a firing one registered goes first.
      while (this.nextTimestamp() === timestamp && cursor.next()) {
        if (budget-- === 0) return false
        this.#panes.removeEntry(timestamp)
        fire(timestamp)
      }
    }
    return true
  }
}

function assertTimestamp(timestamp: number): void {
  if (!Number.isSafeInteger(timestamp)) {
    throw new RangeError(`a timer at ${timestamp}: timers are at whole epoch milliseconds`)
  }
}
