import type { MillraceError } from '../../../common/errors.ts'
import { wrong } from './kafka-sink-options.ts'

/** What a prepared transaction may have to wait for besides its checkpoint (R17): nobody leads the job, tasks restart. */
const longestWithoutLeaderMs = 30_000
const restartMs = 30_000

export interface CheckpointTimes {
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** The oldest that a transaction can be when it is committed: its interval, its checkpoint, one savepoint and one aborted checkpoint before it, and a restart (R17). */
export function neededTimeoutMs({ intervalMs, timeoutMs }: CheckpointTimes): number {
  return intervalMs + 3 * timeoutMs + longestWithoutLeaderMs + restartMs
}

/**
 * The timeout for transactions: the one that was asked for, else the longest that brokers allow.
 * @param longestMs undefined: brokers did not tell
 * @throws MillraceError MR_CONFIGURATION with both figures, where it is longer than brokers allow or too short for R17
 */
export function transactionTimeoutMs(
  askedMs: number | undefined,
  longestMs: number | undefined,
  checkpointing: CheckpointTimes | undefined,
): number {
  if (askedMs !== undefined && longestMs !== undefined && askedMs > longestMs) {
    throw wrong(
      `transactionTimeout is ${askedMs} ms, but the brokers allow ${longestMs} ms at most: lower it, or raise the brokers' transaction.max.timeout.ms`,
    )
  }
  const timeoutMs = askedMs ?? longestMs ?? kafkaDefaultMs
  if (checkpointing === undefined) return timeoutMs
  const neededMs = neededTimeoutMs(checkpointing)
  if (timeoutMs < neededMs) throw tooShort(timeoutMs, neededMs, { checkpointing, asked: askedMs !== undefined })
  return timeoutMs
}

/** `transaction.max.timeout.ms` of brokers that nobody has configured. */
const kafkaDefaultMs = 900_000

function tooShort(
  timeoutMs: number,
  neededMs: number,
  { checkpointing, asked }: { readonly checkpointing: CheckpointTimes; readonly asked: boolean },
): MillraceError {
  const { intervalMs } = checkpointing
  const which = asked ? 'transactionTimeout' : "the brokers' transaction.max.timeout.ms"
  const rest = timeoutMs - intervalMs - longestWithoutLeaderMs - restartMs
  const remedy =
    rest >= 3000
      ? `set execution.checkpointing.timeout to ${Math.floor(rest / 3)} ms or less, or raise ${which}`
      : `raise ${which}`
  return wrong(
    `${which} is ${timeoutMs} ms, but a transaction may have to wait ${neededMs} ms for its commit (interval ${intervalMs} ms, three times the checkpoint timeout of ${checkpointing.timeoutMs} ms, ${longestWithoutLeaderMs + restartMs} ms for a restart): ${remedy}`,
  )
}

/** Whether a transaction of this age could end before the checkpoint that begins now is committed (R17). */
export function isTooOld(ageMs: number, timeoutMs: number, checkpointing: CheckpointTimes | undefined): boolean {
  if (checkpointing === undefined) return false
  return ageMs + checkpointing.timeoutMs + longestWithoutLeaderMs + restartMs > timeoutMs
}
