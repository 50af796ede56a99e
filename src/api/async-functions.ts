/** What an asynchronous function sees of its record and of the call. */
export interface AsyncContext {
  /** Event timestamp of the record, epoch milliseconds; `noTimestamp` where it has none. Results carry it too. */
  readonly timestamp: number
  /** 1 for the first try of the record; counts on with each retry, and begins again after a restart of the job. */
  readonly attempt: number
  /**
   * Aborts when the record's time is up, and when its subtask ends: hand it on to `fetch` and the like. What the function
   * gives after that counts no more.
   */
  readonly signal: AbortSignal
}

/**
 * Gives the results for one record, none, one or several, as an array. Many calls are on their way at once, in one thread.
 * After a restart the records that were in flight are given to it again. Rejections, and what it throws, fail the job's
 * region (MR_USER_FUNCTION), unless they are retried or go to the dead letters.
 */
export type AsyncFunction<In, Out> = (value: In, context: AsyncContext) => Promise<readonly Out[]>
