import type { RunProgress } from './process-protocol.ts'
import type { RunObserver, Stopping } from './supervisor.ts'

/** Where the command line writes for people: standard error, so that a job's own output stays alone on standard output. */
export interface TextStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** On a terminal one line is kept up to date; elsewhere only what happens is written, a line each. */
export class TerminalObserver implements RunObserver {
  readonly #stream: TextStream
  readonly #now: () => number
  #lineShown = false
  #last: { readonly atMs: number; readonly recordsIn: number } | undefined
  #rate = 0

  constructor(stream: TextStream, now: () => number) {
    this.#stream = stream
    this.#now = now
  }

  started(jobName: string, notes: readonly string[]): void {
    this.line(`millrace: job ${jobName} started`)
    for (const note of notes) this.line(`millrace: ${note}`)
  }

  progress(jobName: string, totals: RunProgress): void {
    this.#measure(totals.recordsIn)
    if (this.#stream.isTTY !== true) return
    const width = Math.max(20, (this.#stream.columns ?? 100) - 1)
    this.#stream.write(`\r\x1b[2K${progressText(jobName, totals, this.#rate).slice(0, width)}`)
    this.#lineShown = true
  }

  processLost(reason: string, restartInMs: number): void {
    this.line(
      `millrace: the working process was lost (${reason}); starting again from the latest checkpoint in ${Math.round(restartInMs)} ms`,
    )
  }

  warning(text: string): void {
    this.line(`millrace: warning: ${text}`)
  }

  startsSlowly(seconds: number): void {
    this.line(`millrace: the job is still being loaded after ${seconds} s; Ctrl-C ends it`)
  }

  stopping(how: Stopping): void {
    const text = {
      cancel: 'cancelling; press Ctrl-C again to end at once',
      suspend: 'stopping after a last checkpoint; press Ctrl-C again to end at once',
      drain: 'draining: the sources end, all windows fire; press Ctrl-C again to end at once',
      kill: 'ending at once',
      outputClosed: 'nobody reads standard output any more: ending at once',
    }[how]
    this.line(`millrace: ${text}`)
  }

  /** Writes a line of its own above the progress line. */
  line(text: string): void {
    this.clear()
    this.#stream.write(`${text}\n`)
  }

  /** Takes the progress line away, for what is written elsewhere. */
  clear(): void {
    if (this.#lineShown) this.#stream.write('\r\x1b[2K')
    this.#lineShown = false
  }

  #measure(recordsIn: number): void {
    const atMs = this.#now()
    if (this.#last !== undefined && atMs > this.#last.atMs) {
      this.#rate = Math.max(0, ((recordsIn - this.#last.recordsIn) / (atMs - this.#last.atMs)) * 1000)
    }
    this.#last = { atMs, recordsIn }
  }
}

function progressText(jobName: string, totals: RunProgress, rate: number): string {
  const parts = [
    jobName,
    totals.state,
    `${grouped(Math.round(rate))} records/s`,
    `${grouped(totals.recordsIn)} in`,
    `${grouped(totals.recordsOut)} out`,
  ]
  if (!Number.isNaN(totals.lag)) parts.push(`lag ${grouped(totals.lag)}`)
  if (totals.watermark !== undefined) parts.push(`watermark ${watermarkText(totals.watermark)}`)
  if (totals.lastCheckpoint !== undefined)
    parts.push(`checkpoint ${totals.lastCheckpoint.id} in ${Math.round(totals.lastCheckpoint.durationMs)} ms`)
  if (totals.restarts > 0) parts.push(`${totals.restarts} restarts`)
  return parts.join(' · ')
}

function watermarkText(watermark: number): string {
  // The final watermark and those of tests lie outside of what a date can hold.
  return Math.abs(watermark) <= 8.64e15 ? new Date(watermark).toISOString() : 'end'
}

/** Digits in groups of three, so that a rate can be read at a glance. (Loading the locales of Intl takes 50 ms.) */
export function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}
