import { userFunctionError } from './user-function-error.ts'

/** Calls `open` of a user's function; what it was given for that is of no use afterwards. */
export function openFunction<Opening extends { close(): void }>(
  process: { open?(context: NoInfer<Opening>): void },
  opening: Opening,
  operatorName: string,
): void {
  try {
    process.open?.(opening)
  } catch (error) {
    throw userFunctionError(error, operatorName, 'open')
  }
  opening.close()
}

/** Calls `close` of a user's function, at the end of its input. */
export function closeFunction(process: { close?(): void }, operatorName: string): void {
  try {
    process.close?.()
  } catch (error) {
    throw userFunctionError(error, operatorName, 'close')
  }
}
