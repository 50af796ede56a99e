import { isMillraceError, MillraceError } from '../../common/errors.ts'

/**
 * The error of a user function, named by the operator whose function it is. Operators call each other directly, so an
 * error of a later operator passes through the functions before it: only the innermost operator wraps it.
 */
export function userFunctionError(error: unknown, operatorName: string, functionName: string): MillraceError {
  if (isMillraceError(error)) return error.operator === undefined ? named(error, operatorName, functionName) : error
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new MillraceError('MR_USER_FUNCTION', `${functionName} of operator "${operatorName}" threw ${message}`, {
    cause: error,
    operator: operatorName,
  })
}

/** Of what the function has called, such as a state whose key can be none. */
function named(error: MillraceError, operatorName: string, functionName: string): MillraceError {
  return new MillraceError(error.code, `${functionName} of operator "${operatorName}": ${error.message}`, {
    cause: error,
    operator: operatorName,
  })
}
