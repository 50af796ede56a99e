import type { ErrorCode } from '../common/errors.ts'

/**
 * A record that an operator could not process, and why. Where the operator is in the task of the source, its place and
 * bytes there are known; behind an exchange its key and JSON are.
 */
export interface DeadLetter {
  /** For people: topic, partition and offset, or the operator. */
  readonly place: string
  readonly error: string
  readonly code: ErrorCode
  /** Name of the operator that failed. */
  readonly operator: string
  /** Null where the record does not come straight from Kafka. */
  readonly topic: string | null
  readonly partition: number | null
  readonly offset: number | null
  /** The bytes of its key and value in the source; null where they are not known. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** JSON of the key that the operator works by; null where it has none, or the key selector failed. */
  readonly recordKey: string | null
  /** JSON of the record as the operator got it; null where it was not decoded, and for timers and windows. */
  readonly record: string | null
  /** Epoch milliseconds; `noTimestamp` where there is none. */
  readonly timestamp: number
}

/**
 * How many dead letters are too many: `count` is the most in all, `share` the largest part (above 0, up to 1) of the last
 * `of` records. Each subtask counts its own, anew after each restart.
 */
export type DeadLetterBudget =
  | { readonly count: number }
  | {
      readonly share: number
      /** Records of the subtask, 1 at least. */
      readonly of: number
    }

/**
 * Options of `deadLetters`.
 * @example
 * ```ts
 * import { type DeadLetter, job, outputTag, type Sink } from 'millrace'
 *
 * declare const sink: Sink<unknown>
 * declare const broken: Sink<DeadLetter>
 * export default job('parsed', (env) => {
 *   const refused = outputTag<DeadLetter>('refused')
 *   const parsed = env
 *     .fromCollection(['{"id":1}', 'no JSON'])
 *     .map((text): unknown => JSON.parse(text))
 *     .deadLetters(refused, { budget: { share: 0.01, of: 10_000 } })
 *   parsed.sinkTo(sink)
 *   parsed.getSideOutput(refused).sinkTo(broken)
 * })
 * ```
 */
export interface DeadLetterOptions {
  /** Past it the job fails at once (MR_DEAD_LETTER_BUDGET). Left out, there is no limit. */
  readonly budget?: DeadLetterBudget
}
