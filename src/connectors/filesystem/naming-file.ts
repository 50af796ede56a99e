import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'

/** What does not fit a file's header is said with the file; what does not fit the job keeps its code. */
export function namingFile<V>(path: string, action: () => V): V {
  try {
    return action()
  } catch (error) {
    const code = isMillraceError(error) ? error.code : 'MR_SOURCE_FILE'
    throw new MillraceError(code, `file ${path}: ${messageOf(error)}`, { cause: error })
  }
}
