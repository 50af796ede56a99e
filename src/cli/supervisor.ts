import { type ErrorData, errorCodes } from '../common/errors.ts'
import type { Clock, Random, Timer } from '../common/ports.ts'
import { workerUrl } from '../common/worker-url.ts'
import { decideRestart, initialRestartState, type RestartState } from '../coordinator/restart-strategies.ts'
import type { RestartStrategy } from '../graph/job-configuration.ts'
import type {
  FinalState,
  FromWorkingProcess,
  RunIdentity,
  RunProgress,
  RunRequest,
  ToWorkingProcess,
} from './process-protocol.ts'
import { addProgress, noProgress } from './run-totals.ts'
import { endText, type ProcessEnd, WorkingProcessHandle } from './working-process-handle.ts'

/** How a run ended, over all working processes that it took. */
export type RunOutcome =
  | {
      readonly type: 'ended'
      /** undefined: it was stopped before the job was built. */
      readonly jobName: string | undefined
      readonly state: FinalState
      readonly error: ErrorData | undefined
      readonly totals: RunProgress
    }
  | { readonly type: 'refused'; readonly error: ErrorData }

/** `outputClosed`: nobody reads the job's output any more. */
export type Stopping = 'suspend' | 'cancel' | 'drain' | 'kill' | 'outputClosed'

export interface StartReport {
  readonly notes: readonly string[]
  /** The job prints records on standard output. */
  readonly prints: boolean
}

/** What a person sees while a run goes on. */
export interface RunObserver {
  started(jobName: string, report: StartReport): void
  progress(jobName: string, totals: RunProgress): void
  processLost(reason: string, restartInMs: number): void
  stopping(how: Stopping): void
  warning(text: string): void
  /** The job's own code is still being loaded, which should take no time. */
  startsSlowly(seconds: number): void
}

export interface SupervisorOptions {
  readonly request: RunRequest
  /** A stop asked for lets the windows fire (`--drain`). */
  readonly drain: boolean
  /** libuv's threads serve all slots of the process (R30). */
  readonly threadPoolSize: number
  readonly clock: Clock
  readonly random: Random
  readonly observer: RunObserver
  /** The module that the working process runs; default the one of the engine. */
  readonly entry?: URL
}

type Working = WorkingProcessHandle<ToWorkingProcess, FromWorkingProcess>

/** A job that is not built by then waits for something that does not come, such as a promise at its top level. */
const startNoticeMs = 10_000
const startLimitMs = 60_000
/** A working process that has said how the job ended closes what it holds; a thread in native code may never end (R32). */
const closeLimitMs = 5000

/**
 * The small process that outlives crashes (R30): starts the working process, starts it again from the latest checkpoint
 * when it dies, by the job's own restart strategy, and passes on a stop. The working process ends by itself when this
 * one is gone.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  #process: Working | undefined
  /** The present working process has started the job. */
  #started = false
  /** Why the present working process is about to end. */
  #lastWords: ErrorData | undefined
  /** The present working process was killed on purpose. */
  #endsAs: FinalState | undefined
  /** Starts the next working process. */
  #restart: Timer | undefined
  #startTimers: readonly Timer[] = []
  #identity: RunIdentity | undefined
  #jobName: string | undefined
  #strategy: RestartStrategy | undefined
  #restartState: RestartState = initialRestartState
  #processRestarts = 0
  /** Figures of the working processes that are gone, and of the one that runs. */
  #before: RunProgress = noProgress
  #current: RunProgress = noProgress
  #stopRequests = 0
  #finish: (outcome: RunOutcome) => void = () => {}

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  run(): Promise<RunOutcome> {
    return new Promise((resolve) => {
      this.#finish = resolve
      this.#start()
    })
  }

  /** Ctrl-C: the first asks for a clean end, the second ends the working process at once. */
  stop(): void {
    if (this.#process === undefined) {
      this.#restart?.cancel()
      this.#finish(this.#ended(this.#atRest, undefined))
      return
    }
    this.#stopRequests++
    if (this.#stopRequests > 1) {
      this.#kill(this.#process, 'CANCELED', 'kill')
    } else if (!this.#started && (this.#strategy === undefined || !this.#options.drain)) {
      // Nothing has happened since the last checkpoint, if there is one.
      this.#kill(this.#process, this.#atRest, 'kill')
    } else {
      this.#options.observer.stopping(
        this.#stopWay === 'suspend' && this.#atRest === 'CANCELED' ? 'cancel' : this.#stopWay,
      )
      this.#process.send({ type: this.#stopWay })
    }
  }

  get #stopWay(): 'drain' | 'suspend' {
    return this.#options.drain ? 'drain' : 'suspend'
  }

  /** What a job is that does not run and has not failed: one with checkpoints can go on. */
  get #atRest(): 'SUSPENDED' | 'CANCELED' {
    return this.#identity?.runFolder === undefined ? 'CANCELED' : 'SUSPENDED'
  }

  get #totals(): RunProgress {
    const sum = addProgress(this.#before, this.#current)
    return { ...sum, restarts: sum.restarts + this.#processRestarts }
  }

  #start(): void {
    const { entry = workerUrl('./working-process', import.meta.url), threadPoolSize, clock, request } = this.#options
    let settled = false
    const working: Working = new WorkingProcessHandle<ToWorkingProcess, FromWorkingProcess>({
      entry,
      threadPoolSize,
      clock,
      message: (message) => {
        if (settled || !this.#handle(message, working)) return
        settled = true
        working.endWithin(closeLimitMs)
      },
      gone: (end) => {
        if (this.#process === working) this.#process = undefined
        this.#cancelStartTimers()
        if (!settled) this.#gone(end)
        settled = true
      },
    })
    this.#process = working
    this.#started = false
    this.#lastWords = undefined
    this.#watchStart(working)
    working.send({ type: 'start', request, goesOn: this.#identity })
    // One that follows a crash goes on with the drain that was asked for.
    if (this.#stopRequests > 0) working.send({ type: this.#stopWay })
  }

  #watchStart(working: Working): void {
    const { clock, observer, request } = this.#options
    this.#startTimers = [
      clock.schedule(startNoticeMs, () => observer.startsSlowly(startNoticeMs / 1000)),
      clock.schedule(startLimitMs, () => {
        const message = `${request.jobFile} was still being loaded after ${startLimitMs / 1000} s: does it wait at its top level for something that does not come?`
        this.#lastWords = { code: 'MR_JOB_DEFINITION', message }
        working.kill()
      }),
    ]
  }

  #cancelStartTimers(): void {
    for (const timer of this.#startTimers) timer.cancel()
    this.#startTimers = []
  }

  #kill(working: Working, endsAs: FinalState, how: Stopping): void {
    this.#options.observer.stopping(how)
    this.#endsAs = endsAs
    working.kill()
  }

  /** True when the run is over. */
  #handle(message: FromWorkingProcess, working: Working): boolean {
    switch (message.type) {
      case 'started':
        this.#cancelStartTimers()
        this.#started = true
        this.#identity = message.identity
        this.#jobName = message.jobName
        this.#strategy = message.restartStrategy
        this.#options.observer.started(message.jobName, message)
        return false
      case 'progress':
        this.#current = message.progress
        this.#options.observer.progress(this.#jobName ?? '', this.#totals)
        return false
      case 'ended':
        this.#current = message.progress
        this.#finish(this.#ended(message.state, message.error))
        return true
      case 'refused':
        return this.#refused(message.error)
      case 'warning':
        this.#options.observer.warning(message.text)
        return false
      case 'crashed':
        this.#lastWords = message.error
        return false
      case 'outputClosed':
        if (this.#endsAs === undefined) this.#kill(working, this.#atRest, 'outputClosed')
        return false
    }
  }

  /** A job that ran before is tried again where that can help. */
  #refused(error: ErrorData): boolean {
    this.#cancelStartTimers()
    if (this.#processRestarts > 0 && errorCodes[error.code].severity === 'retryable') {
      this.#lastWords = error
      return false
    }
    this.#finish(this.#identity === undefined ? { type: 'refused', error } : this.#ended('FAILED', error))
    return true
  }

  #gone(end: ProcessEnd): void {
    this.#before = addProgress(this.#before, this.#current)
    this.#current = noProgress
    const words = this.#lastWords
    const reason = words === undefined ? endText(end) : wordsText(words)
    if (this.#endsAs !== undefined) this.#finish(this.#ended(this.#endsAs, undefined))
    else if (this.#strategy === undefined && end.type === 'signal' && words === undefined && this.#stopRequests === 0) {
      this.#startAgain(reason, strategyWhileLoading)
    } else if (this.#strategy === undefined) {
      this.#finish({ type: 'refused', error: words ?? lostWhileLoading(end, this.#options.request.jobFile) })
    } else if (this.#stopRequests > 0 && !this.#options.drain) this.#finish(this.#lostWhileStopping(reason))
    else this.#startAgain(reason, this.#strategy)
  }

  #lostWhileStopping(reason: string): RunOutcome {
    if (this.#atRest === 'CANCELED') return this.#ended('CANCELED', undefined)
    const message = `the working process was lost before its last checkpoint was complete (${reason}); --from latest starts from the one before`
    return this.#ended('SUSPENDED', { code: 'MR_PROCESS_LOST', message })
  }

  #startAgain(reason: string, strategy: RestartStrategy): void {
    const { clock, random, observer } = this.#options
    const decision = decideRestart(strategy, this.#restartState, {
      now: clock.monotonicMs(),
      random: random.next(),
    })
    if (decision.type === 'giveUp') {
      const stack = this.#lastWords?.stack === undefined ? {} : { stack: this.#lastWords.stack }
      const error: ErrorData =
        strategy.type === 'none'
          ? { code: 'MR_PROCESS_LOST', message: `the working process was lost (${reason})`, ...stack }
          : {
              code: 'MR_RESTARTS_EXHAUSTED',
              message: `the working process was lost (${reason}) and the restart strategy ${strategy.type} gave up`,
              ...stack,
            }
      this.#finish(this.#ended('FAILED', error))
      return
    }
    this.#restartState = decision.state
    this.#processRestarts++
    observer.processLost(reason, decision.delayMs)
    this.#restart = clock.schedule(decision.delayMs, () => this.#start())
  }

  #ended(state: FinalState, error: ErrorData | undefined): RunOutcome {
    return { type: 'ended', jobName: this.#jobName, state, error, totals: this.#totals }
  }
}

/** A signal is mostly not the job's doing, and the job's own strategy is not known before it is loaded. */
const strategyWhileLoading: RestartStrategy = { type: 'fixed-delay', attempts: 3, delayMs: 500 }

function wordsText({ code, message }: ErrorData): string {
  return code === 'MR_PROCESS_LOST' ? message : `${code}: ${message}`
}

function lostWhileLoading(end: ProcessEnd, jobFile: string): ErrorData {
  switch (end.type) {
    case 'exit':
      return {
        code: 'MR_JOB_DEFINITION',
        message: `${jobFile} ended the process while it was loaded (exit code ${end.code}): does it, or what it imports, call process.exit?`,
      }
    case 'signal':
      return {
        code: 'MR_PROCESS_LOST',
        message: `the working process ended while ${jobFile} was loaded: signal ${end.signal}`,
      }
    case 'notStarted':
      return { code: 'MR_PROCESS_LOST', message: `the working process could not be started: ${end.message}` }
  }
}
