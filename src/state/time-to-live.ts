import type { StateTtlConfig } from '../api/state-ttl.ts'
import { durationMs } from '../common/duration.ts'

/** A value with the time that its life is counted from. */
export class Stamped<T> {
  readonly lastAccessMs: number
  readonly value: T

  constructor(lastAccessMs: number, value: T) {
    this.lastAccessMs = lastAccessMs
    this.value = value
  }
}

/** The items of a list, each with a life of its own. */
export class StampedList<T> {
  readonly lastAccessMs: number[]
  readonly items: T[]

  constructor(lastAccessMs: number[], items: T[]) {
    this.lastAccessMs = lastAccessMs
    this.items = items
  }
}

/** Entries that one access to a state looks at for expired ones, as Flink's heap state does. */
const entriesAnAccess = 5

/** What a state's configuration says, with the clock that judges it. */
export class TimeToLive {
  readonly renewsOnRead: boolean
  readonly returnsExpired: boolean
  /** 0: nothing is cleaned up in passing. */
  readonly entriesPerAccess: number
  readonly cleansOnEveryRecord: boolean
  readonly #milliseconds: number
  readonly #now: () => number

  constructor(config: StateTtlConfig, now: () => number) {
    const cleanup = config.incrementalCleanup
    this.#milliseconds = durationMs(config.timeToLive, 'timeToLive')
    this.#now = now
    this.renewsOnRead = config.updateType === 'onReadAndWrite'
    this.returnsExpired = config.visibility === 'returnExpiredIfNotCleanedUp'
    this.entriesPerAccess = cleanup === false ? 0 : (cleanup?.entriesPerAccess ?? entriesAnAccess)
    this.cleansOnEveryRecord = cleanup !== false && cleanup?.onEveryRecord === true
  }

  nowMs(): number {
    return Math.floor(this.#now())
  }

  isExpired(lastAccessMs: number): boolean {
    return lastAccessMs + this.#milliseconds <= this.#now()
  }

  /** What is left of a stored value; undefined: nothing. The same object where nothing has expired. */
  unexpired(stored: unknown): unknown {
    if (stored instanceof StampedList) return this.unexpiredItems(stored)
    return this.isExpired((stored as Stamped<unknown>).lastAccessMs) ? undefined : stored
  }

  unexpiredItems<T>(list: StampedList<T>): StampedList<T> | undefined {
    if (!list.lastAccessMs.some((time) => this.isExpired(time))) return list
    const lives = list.lastAccessMs.map((time) => !this.isExpired(time))
    const items = list.items.filter((_, index) => lives[index])
    if (items.length === 0) return undefined
    return new StampedList(
      list.lastAccessMs.filter((_, index) => lives[index]),
      items,
    )
  }
}
