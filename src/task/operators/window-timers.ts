import type { TimeWindow } from '../../api/functions.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { PaneState } from '../../state/pane-state.ts'

const windowsType: DataType<TimeWindow[]> = {
  kind: 'array',
  items: {
    kind: 'record',
    name: 'Window',
    fields: [
      { name: 'start', type: { kind: 'double' } },
      { name: 'end', type: { kind: 'double' } },
    ],
  },
}

/** Stands for the end of time, where Infinity as a namespace would say that there is none. */
const endOfTime = Number.MAX_VALUE

/**
 * The timers of one time domain by key and window: keyed state whose namespace is the timestamp and whose value are the
 * windows. A key and window have at most one timer at a time; they are restored and rescaled with their keys.
 */
export class WindowTimers {
  readonly #panes: PaneState<TimeWindow[]>

  constructor(keyedState: KeyedStateBackend, timeDomain: 'event-time' | 'processing-time') {
    this.#panes = keyedState.panes(`$window-timers-${timeDomain}`, { type: windowsType })
  }

  /** Of the current key. Infinity fires with the last watermark. */
  register(time: number, { start, end }: TimeWindow): void {
    const namespace = namespaceOf(time)
    const windows = this.#panes.get(namespace)
    if (windows === undefined) {
      this.#panes.set(namespace, [{ start, end }])
      return
    }
    if (windows.some((window) => window.start === start && window.end === end)) return
    windows.push({ start, end })
    this.#panes.set(namespace, windows)
  }

  /** Does nothing where there is no such timer. */
  delete(time: number, { start, end }: TimeWindow): void {
    const namespace = namespaceOf(time)
    const windows = this.#panes.get(namespace) ?? []
    const index = windows.findIndex((window) => window.start === start && window.end === end)
    if (index >= 0) this.#removeAt(namespace, windows, index)
  }

  /** Of all keys. */
  clear(): void {
    for (let next = this.#next(); next !== Number.POSITIVE_INFINITY; next = this.#next()) {
      this.#panes.dropNamespace(next)
    }
  }

  /** Infinity: none that comes before the end of time. */
  nextTimestamp(): number {
    const next = this.#next()
    return next === endOfTime ? Number.POSITIVE_INFINITY : next
  }

  /**
   * Fires up to `maxFirings` timers that are due at `time`, each removed before it fires and with its key as the
   * current one. Timers that firing ones register take part, earlier ones first. False: there is more (R33).
   */
  fireDue(time: number, maxFirings: number, fire: (timestamp: number, window: TimeWindow) => void): boolean {
    let budget = maxFirings
    for (let namespace = this.#next(); namespace <= time; namespace = this.#next()) {
      if (namespace === Number.POSITIVE_INFINITY) return true
      const cursor = this.#panes.cursor(namespace)
      while (this.#next() === namespace && cursor.next()) {
        budget = this.#fireOfKey(namespace, budget, fire)
        if (budget < 0) return false
      }
    }
    return true
  }

  /** What is left of the budget; negative: there was more of the current key. */
  #fireOfKey(namespace: number, budget: number, fire: (timestamp: number, window: TimeWindow) => void): number {
    const timestamp = namespace === endOfTime ? Number.POSITIVE_INFINITY : namespace
    for (let left = budget; ; left--) {
      const windows = this.#next() === namespace ? this.#panes.get(namespace) : undefined
      const window = windows?.[0]
      if (windows === undefined || window === undefined) return left
      if (left === 0) return -1
      this.#removeAt(namespace, windows, 0)
      fire(timestamp, window)
    }
  }

  #removeAt(namespace: number, windows: TimeWindow[], index: number): void {
    if (windows.length === 1) {
      this.#panes.removeEntry(namespace)
      return
    }
    windows.splice(index, 1)
    this.#panes.set(namespace, windows)
  }

  #next(): number {
    return this.#panes.lowestNamespace()
  }
}

function namespaceOf(time: number): number {
  if (time === Number.POSITIVE_INFINITY) return endOfTime
  if (Number.isInteger(time)) return time
  throw new RangeError(`a timer at ${time}: timers are at whole epoch milliseconds`)
}
