import { isMillraceError } from '../common/errors.ts'
import type { Clock, Timer } from '../common/ports.ts'
import type { JobRecord, JobRecords } from '../coordinator/job-master/job-record.ts'

const retryMs = 200
/** What can wait for another write does so for so long. */
const laterMs = 5000

export interface RecordedEffectsOptions {
  readonly records: JobRecords
  readonly clock: Clock
  /** The record as it is now. */
  readonly record: () => JobRecord
  readonly warn: (error: unknown) => void
  /** This process does not lead any more; nothing is performed after that. */
  readonly fenced: () => void
}

interface Waiting {
  /** Of the record that has to be durable before. */
  readonly revision: number
  readonly action: () => void
}

/**
 * Performs what follows from a change of a job's record when the record is durable, in order (R3, R23 a). One write at a
 * time: what changes meanwhile is written together.
 */
export class RecordedEffects {
  readonly #options: RecordedEffectsOptions
  readonly #waiting: Waiting[] = []
  #revision = 0
  #durable = 0
  #writing = false
  #closed = false
  #retry: Timer | undefined
  #writtenMs = Number.NEGATIVE_INFINITY

  constructor(options: RecordedEffectsOptions) {
    this.#options = options
  }

  /** The record has changed: what is performed from now on waits until it is durable. */
  changed(): void {
    this.#revision++
    this.#write()
  }

  /** Something of the record has changed that nothing has to wait for. */
  changedForLater(): void {
    const { clock } = this.#options
    if (!this.#writing && clock.monotonicMs() - this.#writtenMs >= laterMs) this.changed()
  }

  /** Performs the action after all before it, when the record is durable as it is now. */
  perform(action: () => void): void {
    if (this.#closed) return
    if (this.#waiting.length === 0 && this.#durable === this.#revision) action()
    else this.#waiting.push({ revision: this.#revision, action })
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#waiting.length = 0
  }

  #write(): void {
    if (this.#writing || this.#closed || this.#durable === this.#revision) return
    const { records, record, clock } = this.#options
    const revision = this.#revision
    this.#writing = true
    records.write(record()).then(
      () => this.#written(revision, clock.monotonicMs()),
      (error: unknown) => this.#failed(error),
    )
  }

  #written(revision: number, nowMs: number): void {
    this.#writing = false
    this.#durable = revision
    this.#writtenMs = nowMs
    this.#write()
    while (!this.#closed && (this.#waiting[0]?.revision ?? Number.POSITIVE_INFINITY) <= revision) {
      this.#waiting.shift()?.action()
    }
  }

  /** It may have been written all the same: nothing is performed until a later write says so, or that another leads. */
  #failed(error: unknown): void {
    if (this.#closed) return
    const { clock, warn, fenced } = this.#options
    if (isFenced(error)) {
      this.close()
      fenced()
      return
    }
    warn(error)
    this.#retry = clock.schedule(retryMs, () => {
      this.#writing = false
      this.#write()
    })
  }
}

/** Another process leads, or the store has lost what this one wrote: in both cases it leads no more (I1, R25). */
export function isFenced(error: unknown): boolean {
  return isMillraceError(error) && (error.code === 'MR_FENCED' || error.code === 'MR_REVISION_MISMATCH')
}
