import { MillraceError } from '../../common/errors.ts'
import type { OperatorContext } from '../operator.ts'
import { recordText } from '../record-text.ts'

export interface FailedRecord {
  readonly value: unknown
  readonly timestamp: number
}

/** An error of a record that is not on its way through the chain any more: it fails the task, and is named by its JSON. */
export function failedRecord(error: MillraceError, { value }: FailedRecord, context: OperatorContext): void {
  throw new MillraceError(error.code, `${error.message}; the record is ${recordText(value)}`, {
    cause: error.cause ?? error,
    operator: error.operator ?? context.operatorName,
  })
}
