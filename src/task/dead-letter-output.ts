import type { DeadLetter } from '../api/dead-letters.ts'
import type { SourceRecord } from '../api/source.ts'
import { type ErrorCode, isMillraceError, MillraceError } from '../common/errors.ts'
import { noTimestamp } from '../common/timestamps.ts'
import type { DeadLetterSpec } from '../graph/stream-graph.ts'
import { BudgetCount } from './dead-letter-budget.ts'
import type { OperatorMetrics, Receiver } from './operator.ts'

/** What is known where a record failed. */
export interface Undeliverable {
  /** JSON; null where there is no record, as for a timer. */
  readonly record: string | null
  readonly recordKey: string | null
  readonly timestamp: number
  /** As the source holds it, in the source's task. */
  readonly origin: SourceRecord | undefined
  /** Shorter than the message of the error, which says again what the dead letter says. */
  readonly reason?: string
}

export interface DeadLetterOutputOptions {
  readonly spec: DeadLetterSpec
  readonly operatorName: string
  /** undefined where nothing reads the output. */
  readonly receiver: Receiver | undefined
  readonly metrics: OperatorMetrics
}

/** Errors of records: of the job's functions and of the data. All others are the engine's, and fail the task. */
const ofRecords: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MR_USER_FUNCTION',
  'MR_KEY',
  'MR_STATE_TYPE',
  'MR_DESERIALIZATION',
  'MR_ASYNC_TIMEOUT',
  'MR_SINK_RECORD',
])

/** Where the records go that one operator could not process. */
export class DeadLetterOutput {
  readonly #options: DeadLetterOutputOptions
  readonly #budget: BudgetCount
  /** Records so far, the one in work included. */
  records = 0

  constructor(options: DeadLetterOutputOptions) {
    this.#options = options
    this.#budget = new BudgetCount(options.spec.budget)
  }

  /**
   * Emits the dead letter.
   * @throws the error itself where it is not of the record; MillraceError MR_DEAD_LETTER_BUDGET
   */
  take(error: unknown, undeliverable: () => Undeliverable): void {
    if (!isMillraceError(error) || !ofRecords.has(error.code)) throw error
    const { operatorName, receiver, metrics } = this.#options
    metrics.deadLetters++
    const exceeded = this.#budget.deadLetter(this.records)
    if (exceeded !== undefined) {
      throw new MillraceError(
        'MR_DEAD_LETTER_BUDGET',
        `operator "${operatorName}" has had ${exceeded}; the last one: ${error.message}`,
        { cause: error, operator: operatorName },
      )
    }
    if (receiver === undefined) return
    const letter = deadLetterOf(error, operatorName, undeliverable())
    receiver.processElement(letter, letter.timestamp)
  }
}

function deadLetterOf(error: MillraceError, operator: string, undeliverable: Undeliverable): DeadLetter {
  const { record, recordKey, timestamp, origin } = undeliverable
  return {
    place: origin?.place ?? `operator "${operator}"`,
    error: undeliverable.reason ?? error.message,
    code: error.code,
    operator,
    topic: origin?.topic ?? null,
    partition: origin?.partition ?? null,
    offset: origin?.offset ?? null,
    key: origin?.key ?? null,
    value: origin?.value ?? null,
    recordKey,
    record,
    timestamp: timestamp === noTimestamp ? (origin?.timestamp ?? timestamp) : timestamp,
  }
}
