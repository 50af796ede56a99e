import type { ErrorCode } from '../common/errors.ts'

/** What the command line ends with. */
export const exitCode = { done: 0, jobFailed: 1, usage: 2, environment: 3 } as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

const usageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MR_CONFIGURATION',
  'MR_JOB_DEFINITION',
  'MR_NOT_ENOUGH_SLOTS',
  'MR_CHECKPOINT_NOT_FOUND',
  'MR_JOB_NOT_FOUND',
  'MR_TASK_MANAGER_NOT_FOUND',
  'MR_REQUEST',
  'MR_REQUEST_TOO_LARGE',
])

const environmentCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MR_KAFKA_UNREACHABLE',
  'MR_KAFKA_LOGIN',
  'MR_KAFKA_TOPIC',
  'MR_STORAGE',
  'MR_REDIS_UNAVAILABLE',
  'MR_REDIS_CONFIGURATION',
  'MR_RUN_LOCKED',
  'MR_CLUSTER_UNREACHABLE',
  'MR_NO_LEADER',
  'MR_UNAUTHORIZED',
])

/** Usage: what the person wrote. Environment: what the job needs around it. Anything else: the job failed. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  if (usageCodes.has(code)) return exitCode.usage
  return environmentCodes.has(code) ? exitCode.environment : exitCode.jobFailed
}
