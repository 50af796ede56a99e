import { type JobRecord, readRecord } from '../../../src/coordinator/job-master/job-record.ts'

interface Waiting {
  readonly revision: number
  readonly action: () => void
}

/** A job's record in a store that outlives its leaders: what follows from a change waits until it is written. */
export class DurableRecord {
  #stored: string
  #revision = 0
  #durable = 0
  #writing: { readonly revision: number; readonly text: string } | undefined
  #waiting: Waiting[] = []

  constructor(first: JobRecord) {
    this.#stored = JSON.stringify(first)
  }

  get stored(): JobRecord {
    return readRecord(JSON.parse(this.#stored))
  }

  changed(): void {
    this.#revision++
  }

  perform(action: () => void): void {
    if (this.#waiting.length === 0 && this.#durable === this.#revision) action()
    else this.#waiting.push({ revision: this.#revision, action })
  }

  /** The next thing that the store does; undefined: nothing is to be written. */
  event(record: () => JobRecord): (() => void) | undefined {
    const writing = this.#writing
    if (writing !== undefined) return () => this.#written(writing)
    if (this.#durable === this.#revision) return undefined
    return () => {
      this.#writing = { revision: this.#revision, text: JSON.stringify(record()) }
    }
  }

  /** `arrived`: the write that was on its way has reached the store. */
  leaderLost(arrived: boolean): void {
    if (arrived && this.#writing !== undefined) this.#stored = this.#writing.text
    this.#writing = undefined
    this.#waiting = []
    this.#durable = this.#revision
  }

  #written({ revision, text }: { readonly revision: number; readonly text: string }): void {
    this.#stored = text
    this.#durable = revision
    this.#writing = undefined
    while ((this.#waiting[0]?.revision ?? Number.POSITIVE_INFINITY) <= revision) this.#waiting.shift()?.action()
  }
}
