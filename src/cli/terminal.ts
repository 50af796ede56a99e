import type { RunProgress } from './process-protocol.ts'
import type { RunObserver, StartReport, Stopping } from './supervisor.ts'

/** Where the command line writes for people: standard error, so that a job's own output stays alone on standard output. */
export interface TextStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

const rateWindowMs = 5000

/** On a terminal one line is kept up to date; elsewhere only what happens is written, a line each. */
export class TerminalObserver implements RunObserver {
  readonly #stream: TextStream
  readonly #now: () => number
  readonly #outputIsTerminal: boolean
  #showsProgress = true
  #lineShown = false
  /** Counts of the last seconds, oldest first. */
  #counts: { readonly atMs: number; readonly recordsIn: number }[] = []

  /** @param outputIsTerminal standard output is the terminal too: what a job prints would run into the progress line */
  constructor(stream: TextStream, now: () => number, outputIsTerminal = false) {
    this.#stream = stream
    this.#now = now
    this.#outputIsTerminal = outputIsTerminal
  }

  started(jobName: string, { notes, prints }: StartReport): void {
    this.#showsProgress = !(prints && this.#outputIsTerminal)
    this.line(`millrace: job ${jobName} started`)
    for (const note of notes) this.line(`millrace: ${note}`)
  }

  progress(jobName: string, totals: RunProgress): void {
    if (this.#stream.isTTY !== true || !this.#showsProgress) return
    const rate = this.#measure(totals.recordsIn)
    const width = Math.max(20, (this.#stream.columns ?? 100) - 1)
    this.#stream.write(`\r\x1b[2K${progressText(jobName, totals, rate).slice(0, width)}`)
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

  /** Records a second: slots report once a second, each in its own moment, so it is taken over some seconds. */
  #measure(recordsIn: number): number {
    const atMs = this.#now()
    this.#counts = [...this.#counts.filter((count) => count.atMs >= atMs - rateWindowMs), { atMs, recordsIn }]
    const [oldest = { atMs, recordsIn }] = this.#counts
    return atMs > oldest.atMs ? Math.max(0, ((recordsIn - oldest.recordsIn) / (atMs - oldest.atMs)) * 1000) : 0
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
  if (totals.restarts > 0) parts.push(totals.restarts === 1 ? '1 restart' : `${totals.restarts} restarts`)
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
