import { fileURLToPath } from 'node:url'
import { type ErrorCode, type ErrorData, errorCodes } from '../common/errors.ts'

/** The folder of the running engine: `src` or `dist`. */
const engineFolder = fileURLToPath(new URL('../', import.meta.url))
/** Source maps name the sources also where the engine runs from `dist`. */
const sourceFolder = fileURLToPath(new URL('../../src/', import.meta.url))

const mostFrames = 8

/** Errors that a job's own code may have thrown: they say where. */
const codesOfUserCode: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MR_USER_FUNCTION',
  'MR_KEY',
  'MR_STATE_TYPE',
  'MR_SLOT_LOST',
  'MR_PROCESS_LOST',
  'MR_RESTARTS_EXHAUSTED',
])

/** One clear message: code, what happened, places of the user's code where the error comes from there, and what to do. */
export function errorText(error: ErrorData): string {
  const { remedy } = errorCodes[error.code]
  const where = error.operator === undefined ? '' : ` in operator ${error.operator}`
  const frames = framesOf(error)
  return [`millrace: ${error.code}${where}: ${error.message}`, ...frames, `  what to do: ${remedy}`].join('\n')
}

/** The stack's places outside of the engine; all of them only where the engine itself is wrong. */
function framesOf({ code, stack = '' }: ErrorData): readonly string[] {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  if (code === 'MR_INTERNAL') return frames.slice(0, mostFrames)
  if (!codesOfUserCode.has(code)) return []
  const own = (line: string): boolean => !/\bnode:/.test(line) && !isOfEngine(line)
  // What called the user's function is not the user's.
  const end = frames.findLastIndex(own) + 1
  return frames
    .slice(0, end)
    .filter((line) => !isOfEngine(line))
    .slice(0, mostFrames)
}

function isOfEngine(line: string): boolean {
  return line.includes(engineFolder) || line.includes(sourceFolder)
}
