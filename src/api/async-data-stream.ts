import type { Duration } from '../common/duration.ts'
import { untyped } from '../formats/types.ts'
import type { AsyncBackoff, AsyncRetry, AsyncSpec } from '../graph/async-spec.ts'
import type { AsyncFunction } from './async-functions.ts'
import type { DataStream, SingleOutputStreamOperator } from './data-stream.ts'
import {
  declaredDurationMs,
  declaredFunction,
  declaredInteger,
  declaredSynchronousFunction,
  definitionError,
} from './declaration.ts'

/** When a call that failed is made again, and how often. */
export interface AsyncRetryOptions<Out> {
  /** Calls for a record in all, the first one included; 2 at least. */
  readonly maxAttempts: number
  /** The wait before each further call; the record's `timeout` goes on meanwhile. */
  readonly backoff:
    | { readonly type: 'fixed'; readonly delay: Duration }
    | {
        readonly type: 'exponential'
        readonly initialDelay: Duration
        readonly maxDelay: Duration
        /** By which the wait grows from call to call, default 2. */
        readonly multiplier?: number
      }
  /** Which rejections are retried; left out, all. */
  readonly retryOn?: (error: unknown) => boolean
  /** Results that are as good as a failure; left out, none. After the last attempt they are taken. */
  readonly retryOnResults?: (results: readonly Out[]) => boolean
}

/** Options of `AsyncDataStream`. */
export interface AsyncOptions<In, Out> {
  /** For one record, all its retries included; 1 ms at least. It counts from its first call. */
  readonly timeout: Duration
  /** Calls that are on their way at once in each subtask, default 100. While so many are, no input is read. */
  readonly capacity?: number
  /** Left out, a rejected call is not repeated. */
  readonly retry?: AsyncRetryOptions<Out>
  /** The results of a record whose time is up. Left out, it fails the job, or goes to the dead letters (MR_ASYNC_TIMEOUT). */
  readonly onTimeout?: (value: In, timestamp: number) => readonly Out[]
}

/**
 * Calls to other systems for each record of a stream, many at a time: Flink's async I/O. Records in flight are part of
 * every checkpoint, and a barrier does not wait for them: after a restart they are called again. Both throw MillraceError
 * MR_JOB_DEFINITION where an option is out of range.
 * @example
 * ```ts
 * import { AsyncDataStream, job, type Sink } from 'millrace'
 *
 * interface Customer {
 *   readonly id: string
 *   readonly country: string
 * }
 *
 * declare const sink: Sink<Customer>
 * export default job('customers', (env) => {
 *   const ids = env.fromCollection(['ada', 'bob'])
 *   AsyncDataStream.unorderedWait(
 *     ids,
 *     async (id, { signal }) => {
 *       const answer = await fetch(`http://customers.example/${id}`, { signal })
 *       return answer.ok ? [(await answer.json()) as Customer] : []
 *     },
 *     {
 *       timeout: '30s',
 *       capacity: 200,
 *       retry: { maxAttempts: 3, backoff: { type: 'exponential', initialDelay: '100ms', maxDelay: '5s' } },
 *     },
 *   ).sinkTo(sink)
 * })
 * ```
 */
export const AsyncDataStream = {
  /** Results come out in the order of their records, and watermarks between them as they came. */
  orderedWait<In, Out>(
    stream: DataStream<In>,
    invoke: AsyncFunction<In, Out>,
    options: AsyncOptions<In, NoInfer<Out>>,
  ): SingleOutputStreamOperator<Out> {
    return stream.declareOperator(asyncSpec('ordered', invoke, options), 'Async Ordered Wait', untyped())
  },

  /** Results come out as soon as they are there: they overtake each other, but no watermark. */
  unorderedWait<In, Out>(
    stream: DataStream<In>,
    invoke: AsyncFunction<In, Out>,
    options: AsyncOptions<In, NoInfer<Out>>,
  ): SingleOutputStreamOperator<Out> {
    return stream.declareOperator(asyncSpec('unordered', invoke, options), 'Async Unordered Wait', untyped())
  },
} as const

function asyncSpec<In, Out>(
  mode: AsyncSpec['mode'],
  invoke: AsyncFunction<In, Out>,
  options: AsyncOptions<In, Out>,
): AsyncSpec {
  const subject = `AsyncDataStream.${mode}Wait`
  declaredFunction(invoke, subject, 'the function')
  const { timeout, capacity = 100, retry, onTimeout } = options ?? {}
  if (timeout === undefined) throw definitionError(subject, "the options lack a timeout; give one, such as '30s'")
  if (onTimeout !== undefined) declaredSynchronousFunction(onTimeout, subject, 'onTimeout')
  return {
    kind: 'async',
    mode,
    invoke: invoke as AsyncFunction<unknown, unknown>,
    capacity: declaredInteger(capacity, subject, 'capacity', 1),
    timeoutMs: declaredDurationMs(timeout, subject, 'timeout', 1),
    retry: retry === undefined ? undefined : asyncRetry(retry as AsyncRetryOptions<unknown>, subject),
    onTimeout: onTimeout as AsyncSpec['onTimeout'],
  }
}

function asyncRetry(retry: AsyncRetryOptions<unknown>, subject: string): AsyncRetry {
  const { maxAttempts, backoff, retryOn, retryOnResults } = retry
  if (retryOn !== undefined) declaredSynchronousFunction(retryOn, subject, 'retry.retryOn')
  if (retryOnResults !== undefined) {
    declaredSynchronousFunction(retryOnResults, subject, 'retry.retryOnResults')
  }
  return {
    maxAttempts: declaredInteger(maxAttempts, subject, 'retry.maxAttempts', 2),
    backoff: asyncBackoff(backoff, subject),
    retryOn,
    retryOnResults,
  }
}

function asyncBackoff(backoff: AsyncRetryOptions<unknown>['backoff'], subject: string): AsyncBackoff {
  const at = 'retry.backoff'
  switch (backoff?.type) {
    case 'fixed':
      return { type: 'fixed', delayMs: declaredDurationMs(backoff.delay, subject, `${at}.delay`, 0) }
    case 'exponential': {
      const { initialDelay, maxDelay, multiplier = 2 } = backoff
      if (!(multiplier >= 1 && Number.isFinite(multiplier))) {
        throw definitionError(subject, `${at}.multiplier is ${String(multiplier)}; it has to be a number, 1 at least`)
      }
      const initialDelayMs = declaredDurationMs(initialDelay, subject, `${at}.initialDelay`, 1)
      const maxDelayMs = declaredDurationMs(maxDelay, subject, `${at}.maxDelay`, 1)
      return { type: 'exponential', initialDelayMs, maxDelayMs, multiplier }
    }
    default:
      throw definitionError(subject, `${at}.type has to be 'fixed' or 'exponential'`)
  }
}
