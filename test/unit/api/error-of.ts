import { isMillraceError, type MillraceError } from '../../../src/common/errors.ts'

/** The error of ours that an action throws. */
export function errorOf(action: () => unknown): MillraceError {
  try {
    action()
  } catch (error) {
    if (isMillraceError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
