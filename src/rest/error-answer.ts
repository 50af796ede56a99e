import { type ErrorCode, type ErrorData, errorCodes, errorData, isMillraceError } from '../common/errors.ts'
import type { ErrorAnswer } from './schemas/common.ts'

export interface FailedAnswer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ErrorAnswer
  /** Not the client's mistake: to be logged. */
  readonly unexpected: boolean
}

const statusCodes: Readonly<Partial<Record<ErrorCode, number>>> = {
  MR_CONFIGURATION: 400,
  MR_JOB_DEFINITION: 400,
  MR_GRAPH_MISMATCH: 400,
  MR_REQUEST: 400,
  MR_UNAUTHORIZED: 401,
  MR_JOB_NOT_FOUND: 404,
  MR_TASK_MANAGER_NOT_FOUND: 404,
  MR_CHECKPOINT_NOT_FOUND: 404,
  MR_STATE_INCOMPATIBLE: 409,
  MR_NOT_ENOUGH_SLOTS: 409,
  MR_RUN_LOCKED: 409,
  MR_REQUEST_TOO_LARGE: 413,
  MR_NO_LEADER: 503,
  // Whoever leads next gives the first answer to a repeated request (R24).
  MR_FENCED: 503,
  MR_REDIS_UNAVAILABLE: 503,
  MR_REDIS_UNDETERMINED: 503,
}

/** What a client may repeat, with the same `requestId`, until someone leads. */
const retryAfterSeconds = 1

/** What thrown values of handlers, and of fastify itself, are answered by. */
export function errorAnswerOf(error: unknown, limitBytes: number): FailedAnswer {
  const { data, statusCode } = known(error, limitBytes) ?? fromWithin(error)
  const headers: Record<string, string> = {}
  if (statusCode === 503) headers['retry-after'] = String(retryAfterSeconds)
  if (statusCode === 401) headers['www-authenticate'] = 'Bearer'
  return {
    statusCode,
    headers,
    body: { errors: data.message.split('\n'), code: data.code, remedy: errorCodes[data.code].remedy },
    unexpected: statusCode === 500,
  }
}

interface Answered {
  readonly data: ErrorData
  readonly statusCode: number
}

function fromWithin(error: unknown): Answered {
  if (!isMillraceError(error)) {
    return {
      data: { code: 'MR_INTERNAL', message: 'the request failed; the log of the JobManager says why' },
      statusCode: 500,
    }
  }
  return { data: errorData(error), statusCode: statusCodes[error.code] ?? 500 }
}

/** Fastify's own errors: of the body, of the content type, of what the schemas refuse. */
function known(error: unknown, limitBytes: number): Answered | undefined {
  if (typeof error !== 'object' || error === null || isMillraceError(error)) return undefined
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(limitBytes)
  if (code === 'FST_ERR_HANDLER_TIMEOUT') {
    const data: ErrorData = { code: 'MR_NO_LEADER', message: 'the leader did not answer in time' }
    return { data, statusCode: 503 }
  }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined
  return { data: { code: 'MR_REQUEST', message: String(message) }, statusCode }
}

function tooLarge(limitBytes: number): Answered {
  const message = `the request is larger than rest.server.max-content-length, ${limitBytes} bytes`
  return { data: { code: 'MR_REQUEST_TOO_LARGE', message }, statusCode: 413 }
}
