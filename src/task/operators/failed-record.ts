import { MillraceError } from '../../common/errors.ts'
import type { OperatorContext } from '../operator.ts'
import { jsonText, recordText } from '../record-text.ts'

export interface FailedRecord {
  readonly value: unknown
  readonly timestamp: number
}

/**
 * An error of a record that is not on its way through the chain any more: to the dead letters, or else the task fails. It is
 * named by its JSON.
 */
export function failedRecord(error: MillraceError, { value, timestamp }: FailedRecord, context: OperatorContext): void {
  const undeliverable = () => ({ record: jsonText(value), recordKey: null, timestamp, origin: undefined })
  if (context.deadLetters !== undefined) context.deadLetters.take(error, undeliverable)
  else throw withRecord(error, value, context)
}

function withRecord(error: MillraceError, value: unknown, context: OperatorContext): MillraceError {
  return new MillraceError(error.code, `${error.message}; the record is ${recordText(value)}`, {
    cause: error.cause ?? error,
    operator: error.operator ?? context.operatorName,
  })
}
