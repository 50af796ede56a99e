import type { AsyncFunction } from '../api/async-functions.ts'

/** An asynchronous function over a stream: many records in flight, results in order or as they come. */
export interface AsyncSpec {
  readonly kind: 'async'
  /** `unordered`: results may overtake each other between two watermarks, never a watermark. */
  readonly mode: 'ordered' | 'unordered'
  readonly invoke: AsyncFunction<unknown, unknown>
  /** Calls that are on their way at once. */
  readonly capacity: number
  /** For a record with all its retries. */
  readonly timeoutMs: number
  readonly retry: AsyncRetry | undefined
  /** The results of a record whose time is up; undefined: it fails. */
  readonly onTimeout: ((value: unknown, timestamp: number) => readonly unknown[]) | undefined
}

export interface AsyncRetry {
  /** Calls for a record in all. */
  readonly maxAttempts: number
  readonly backoff: AsyncBackoff
  readonly retryOn: ((error: unknown) => boolean) | undefined
  readonly retryOnResults: ((results: readonly unknown[]) => boolean) | undefined
}

export type AsyncBackoff =
  | { readonly type: 'fixed'; readonly delayMs: number }
  | {
      readonly type: 'exponential'
      readonly initialDelayMs: number
      readonly maxDelayMs: number
      readonly multiplier: number
    }

/** Milliseconds between the failed call number `attempt`, from 1 on, and the next one. */
export function backoffMs(backoff: AsyncBackoff, attempt: number): number {
  if (backoff.type === 'fixed') return backoff.delayMs
  return Math.min(backoff.maxDelayMs, backoff.initialDelayMs * backoff.multiplier ** (attempt - 1))
}
