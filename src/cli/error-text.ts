import { type ErrorData, errorCodes } from '../common/errors.ts'

/** One clear message: code, what happened, what to do; the stack of user code only where it says more. */
export function errorText(error: ErrorData): string {
  const { remedy } = errorCodes[error.code]
  const where = error.operator === undefined ? '' : ` in operator ${error.operator}`
  const stack = error.stack !== undefined && showsUserCode(error) ? `\n${framesOf(error.stack)}` : ''
  return `millrace: ${error.code}${where}: ${error.message}${stack}\n  what to do: ${remedy}`
}

function showsUserCode(error: ErrorData): boolean {
  return error.code === 'MR_USER_FUNCTION' || error.code === 'MR_INTERNAL' || error.code === 'MR_SLOT_LOST'
}

/** The stack's places without its first lines, which repeat the message; eight are enough to find the line. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .join('\n')
}
