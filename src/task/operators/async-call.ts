import type { AsyncContext } from '../../api/async-functions.ts'
import { MillraceError } from '../../common/errors.ts'
import type { Clock, Timer } from '../../common/ports.ts'
import { type AsyncSpec, backoffMs } from '../../graph/async-spec.ts'
import { userFunctionError } from './user-function-error.ts'

/** What the calls of one operator have in common. */
export interface AsyncCalls {
  readonly spec: AsyncSpec
  readonly clock: Clock
  readonly operatorName: string
  /** Told once for each call that was started and not aborted. */
  settled(call: AsyncCall): void
}

/** What has come of a call. */
export type AsyncOutcome =
  | { readonly type: 'results'; readonly results: readonly unknown[] }
  | { readonly type: 'failure'; readonly error: MillraceError }

/** One record in flight: its tries, the waits between them, and its time limit. Only its settling is told, never thrown. */
export class AsyncCall {
  readonly value: unknown
  readonly timestamp: number
  readonly #calls: AsyncCalls
  #outcome: AsyncOutcome | undefined
  #attempt = 0
  #aborted = false
  #controller: AbortController | undefined
  #timeout: Timer | undefined
  #backoff: Timer | undefined

  constructor(value: unknown, timestamp: number, calls: AsyncCalls) {
    this.value = value
    this.timestamp = timestamp
    this.#calls = calls
  }

  /** undefined: not settled. */
  get outcome(): AsyncOutcome | undefined {
    return this.#outcome
  }

  start(): void {
    const { clock, spec } = this.#calls
    this.#timeout = clock.schedule(spec.timeoutMs, () => this.#timeIsUp())
    this.#try()
  }

  /** The subtask ends: nothing is told any more. */
  abort(): void {
    this.#aborted = true
    this.#stop(new Error(`the subtask of operator "${this.#calls.operatorName}" has ended`))
  }

  #try(): void {
    const attempt = ++this.#attempt
    let given: unknown
    try {
      given = this.#calls.spec.invoke(this.value, this.#context(attempt))
    } catch (error) {
      this.#rejected(attempt, error)
      return
    }
    Promise.resolve(given).then(
      (results) => this.#fulfilled(attempt, results),
      (error: unknown) => this.#rejected(attempt, error),
    )
  }

  /** The signal is made when it is asked for: most functions are quicker than it. */
  #context(attempt: number): AsyncContext {
    const signalOf = (): AbortSignal => this.#signal()
    return {
      timestamp: this.timestamp,
      attempt,
      get signal() {
        return signalOf()
      },
    }
  }

  #signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#isOver()) this.#controller.abort()
    return this.#controller.signal
  }

  #isOver(): boolean {
    return this.#aborted || this.#outcome !== undefined
  }

  #fulfilled(attempt: number, results: unknown): void {
    if (this.#isOver() || attempt !== this.#attempt) return
    if (!Array.isArray(results)) {
      this.#fail(
        new TypeError(`gave ${results === null ? 'null' : typeof results}; it has to give an array of results`),
      )
      return
    }
    const { retry } = this.#calls.spec
    if (retry?.retryOnResults !== undefined && this.#retries(() => retry.retryOnResults?.(results) === true)) return
    this.#settle({ type: 'results', results })
  }

  #rejected(attempt: number, error: unknown): void {
    if (this.#isOver() || attempt !== this.#attempt) return
    const { retry } = this.#calls.spec
    if (this.#retries(() => retry?.retryOn?.(error) !== false)) return
    this.#fail(error)
  }

  /** True: it is tried again, or has settled meanwhile. */
  #retries(wanted: () => boolean): boolean {
    const { spec, clock } = this.#calls
    if (spec.retry === undefined || this.#attempt >= spec.retry.maxAttempts) return false
    try {
      if (!wanted()) return false
    } catch (error) {
      this.#fail(error)
      return true
    }
    this.#backoff = clock.schedule(backoffMs(spec.retry.backoff, this.#attempt), () => this.#try())
    return true
  }

  #timeIsUp(): void {
    if (this.#isOver()) return
    const { spec, operatorName } = this.#calls
    const tries = this.#attempt > 1 ? ` in ${this.#attempt} attempts` : ''
    const error = new MillraceError(
      'MR_ASYNC_TIMEOUT',
      `the asynchronous function of operator "${operatorName}" gave nothing within ${spec.timeoutMs} ms${tries}`,
      { operator: operatorName },
    )
    this.#attempt++ // what the running try still gives is another one's
    if (spec.onTimeout === undefined) this.#settle({ type: 'failure', error }, error)
    else this.#settleTimeout(spec.onTimeout, error)
  }

  #settleTimeout(onTimeout: (value: unknown, timestamp: number) => readonly unknown[], reason: Error): void {
    let outcome: AsyncOutcome
    try {
      const results = onTimeout(this.value, this.timestamp)
      if (!Array.isArray(results)) throw new TypeError('gave no array of results')
      outcome = { type: 'results', results }
    } catch (error) {
      outcome = { type: 'failure', error: userFunctionError(error, this.#calls.operatorName, 'onTimeout') }
    }
    this.#settle(outcome, reason)
  }

  #fail(error: unknown): void {
    const { operatorName } = this.#calls
    this.#settle({ type: 'failure', error: userFunctionError(error, operatorName, 'the asynchronous function') })
  }

  #settle(outcome: AsyncOutcome, abortReason?: Error): void {
    this.#outcome = outcome
    this.#stop(abortReason)
    this.#calls.settled(this)
  }

  #stop(abortReason: Error | undefined): void {
    this.#timeout?.cancel()
    this.#backoff?.cancel()
    if (abortReason !== undefined) this.#controller?.abort(abortReason)
  }
}
