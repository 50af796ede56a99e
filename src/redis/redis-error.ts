import { type ErrorCode, MillraceError, messageOf } from '../common/errors.ts'

/** The first word of an error reply says what it is (F18). A command that got one of these was not executed. */
const codeOfReply: Readonly<Record<string, ErrorCode>> = {
  FENCED: 'MR_FENCED',
  REVISION: 'MR_REVISION_MISMATCH',
  OOM: 'MR_REDIS_FULL',
  MISCONF: 'MR_REDIS_UNAVAILABLE',
  LOADING: 'MR_REDIS_UNAVAILABLE',
  BUSY: 'MR_REDIS_UNAVAILABLE',
  READONLY: 'MR_REDIS_UNAVAILABLE',
  MASTERDOWN: 'MR_REDIS_UNAVAILABLE',
  NOREPLICAS: 'MR_REDIS_UNAVAILABLE',
  CLUSTERDOWN: 'MR_REDIS_UNAVAILABLE',
  TRYAGAIN: 'MR_REDIS_UNAVAILABLE',
  MOVED: 'MR_REDIS_UNAVAILABLE',
  ASK: 'MR_REDIS_UNAVAILABLE',
  NOAUTH: 'MR_REDIS_CONFIGURATION',
  WRONGPASS: 'MR_REDIS_CONFIGURATION',
  NOPERM: 'MR_REDIS_CONFIGURATION',
  CROSSSLOT: 'MR_INTERNAL',
  WRONGTYPE: 'MR_INTERNAL',
}

/**
 * What an error of a command means. A reply is a refusal; anything else is a connection that broke, or was silent for
 * too long: whether the command was executed is not known (R3). The error of the client is not kept as a cause: it holds
 * the command's arguments, with a password among them where it logs in.
 */
export function redisError(error: unknown, address: string, command: string): MillraceError {
  if (error instanceof MillraceError) return error
  const message = messageOf(error)
  if (!isReply(error)) {
    const text = `Redis at ${address}: the connection was lost before ${command} was answered: ${message}`
    return new MillraceError('MR_REDIS_UNDETERMINED', text)
  }
  const word = /^(?:ERR Error running script.*?: )?-?([A-Z]{2,})\b/.exec(message)?.[1] ?? ''
  const code = codeOfReply[word] ?? 'MR_INTERNAL'
  return new MillraceError(code, `Redis at ${address} refused ${command}: ${message}`)
}

/** The server answered, and what it answered is an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

/** Known before anything was sent: nothing happened. */
export function connectionClosed(address: string, reason: string): MillraceError {
  return new MillraceError('MR_REDIS_UNAVAILABLE', `Redis at ${address}: the connection is closed: ${reason}`)
}
