import type { Clock } from '../common/ports.ts'

/** What a reader of a scripted source tells of itself. */
export interface ScriptReading {
  /** How its splits stand. */
  readonly state: 'reading' | 'paused' | 'ended'
  resume(): void
}

/**
 * Which markers of a job's scripts have done their work: a failure that came back with each restart would never end. Kept
 * beside the job, since readers and slots come and go.
 */
export class ScriptProgress {
  readonly #passed = new Set<string>()
  readonly #readings = new Set<ScriptReading>()

  hasPassed(place: string): boolean {
    return this.#passed.has(place)
  }

  pass(place: string): void {
    this.#passed.add(place)
  }

  /** For a job that starts from the beginning. */
  reset(): void {
    this.#passed.clear()
  }

  opened(reading: ScriptReading): void {
    this.#readings.add(reading)
  }

  closed(reading: ScriptReading): void {
    this.#readings.delete(reading)
  }

  /** Every reader is at a pause or at its end, one of them at a pause. */
  get paused(): boolean {
    const states = [...this.#readings].map(({ state }) => state)
    return states.includes('paused') && !states.includes('reading')
  }

  resume(): void {
    for (const reading of this.#readings) reading.resume()
  }
}

/** Of each test cluster, found by its clock: that is all that a reader knows of its cluster. */
const byClock = new WeakMap<Clock, ScriptProgress>()

export function scriptProgressOf(clock: Clock): ScriptProgress {
  const progress = byClock.get(clock) ?? new ScriptProgress()
  byClock.set(clock, progress)
  return progress
}
