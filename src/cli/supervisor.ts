import { type ChildProcess, fork } from 'node:child_process'
import { type ErrorData, errorCodes, messageOf } from '../common/errors.ts'
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

/** How a run ended, over all working processes that it took. */
export type RunOutcome =
  | {
      readonly type: 'ended'
      readonly jobName: string
      readonly state: FinalState
      readonly error: ErrorData | undefined
      readonly totals: RunProgress
    }
  | { readonly type: 'refused'; readonly error: ErrorData }

/** What a person sees while a run goes on. */
export interface RunObserver {
  started(jobName: string, notes: readonly string[]): void
  progress(jobName: string, totals: RunProgress): void
  processLost(reason: string, restartInMs: number): void
  stopping(how: 'suspend' | 'drain' | 'kill'): void
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

/**
 * The small process that outlives crashes (R30): starts the working process, starts it again from the latest checkpoint
 * when it dies, by the job's own restart strategy, and passes on a stop. The working process ends by itself when this
 * one is gone.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  #child: ChildProcess | undefined
  /** Starts the next working process. */
  #restart: Timer | undefined
  #identity: RunIdentity | undefined
  /** Why the working process will end that could not start the job again. */
  #refusal: string | undefined
  #jobName = ''
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
    this.#stopRequests++
    const child = this.#child
    if (child === undefined) {
      this.#restart?.cancel()
      this.#finish(this.#ended('SUSPENDED', undefined))
      return
    }
    if (this.#stopRequests > 1) {
      this.#options.observer.stopping('kill')
      child.kill('SIGKILL')
      return
    }
    this.#options.observer.stopping(this.#stopWay)
    send(child, { type: this.#stopWay })
  }

  get #stopWay(): 'drain' | 'suspend' {
    return this.#options.drain ? 'drain' : 'suspend'
  }

  get #totals(): RunProgress {
    const sum = addProgress(this.#before, this.#current)
    return { ...sum, restarts: sum.restarts + this.#processRestarts }
  }

  #start(): void {
    const url = this.#options.entry ?? workerUrl('./working-process', import.meta.url)
    const child = fork(url, [], {
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: String(this.#options.threadPoolSize),
        KAFKAJS_NO_PARTITIONER_WARNING: '1',
      },
      serialization: 'advanced',
      // node:sqlite, which holds the run's lock, warns that it is young.
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
    })
    this.#child = child
    let settled = false
    this.#refusal = undefined
    const gone = (reason: string): void => {
      if (this.#child === child) this.#child = undefined
      if (!settled) this.#lost(this.#refusal ?? reason)
      settled = true
    }
    child.on('message', (message: FromWorkingProcess) => {
      if (this.#handle(message)) settled = true
    })
    child.on('exit', (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`))
    // No process, so no exit either.
    child.on('error', (error) => gone(messageOf(error)))
    send(child, { type: 'start', request: this.#options.request, goesOn: this.#identity })
    // One that follows a crash goes on with the drain that was asked for.
    if (this.#stopRequests > 0) send(child, { type: this.#stopWay })
  }

  /** True when the run is over. */
  #handle(message: FromWorkingProcess): boolean {
    switch (message.type) {
      case 'started':
        this.#identity = message.identity
        this.#jobName = message.jobName
        this.#strategy = message.restartStrategy
        this.#options.observer.started(message.jobName, message.notes)
        return false
      case 'progress':
        this.#current = message.progress
        this.#options.observer.progress(this.#jobName, this.#totals)
        return false
      case 'ended':
        this.#current = message.progress
        this.#finish(this.#ended(message.state, message.error))
        return true
      case 'refused':
        if (this.#processRestarts > 0 && errorCodes[message.error.code].severity === 'retryable') {
          this.#refusal = `${message.error.code}: ${message.error.message}`
          return false
        }
        this.#finish(
          this.#identity === undefined
            ? { type: 'refused', error: message.error }
            : this.#ended('FAILED', message.error),
        )
        return true
    }
  }

  #lost(reason: string): void {
    this.#before = addProgress(this.#before, this.#current)
    this.#current = noProgress
    if (this.#stopRequests > 1) {
      this.#finish(this.#ended('CANCELED', undefined))
      return
    }
    if (this.#stopRequests > 0 && (this.#strategy === undefined || !this.#options.drain)) {
      const message = `the working process was lost before its last checkpoint was complete (${reason}); --from latest starts from the one before`
      this.#finish(this.#ended('SUSPENDED', this.#strategy && { code: 'MR_SLOT_LOST', message }))
      return
    }
    if (this.#strategy === undefined) {
      this.#finish({
        type: 'refused',
        error: { code: 'MR_INTERNAL', message: `the working process ended before the job started: ${reason}` },
      })
      return
    }
    const { clock, random, observer } = this.#options
    const decision = decideRestart(this.#strategy, this.#restartState, {
      now: clock.monotonicMs(),
      random: random.next(),
    })
    if (decision.type === 'giveUp') {
      const error: ErrorData = {
        code: 'MR_RESTARTS_EXHAUSTED',
        message: `the working process was lost (${reason}) and the restart strategy ${this.#strategy.type} gave up`,
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

function send(child: ChildProcess, message: ToWorkingProcess): void {
  // A child that is gone can not be told; its exit event follows and says so.
  if (child.connected) child.send(message, () => {})
}
