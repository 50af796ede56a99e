import type { Key } from '../../api/functions.ts'
import { isMillraceError, MillraceError } from '../../common/errors.ts'
import { hashKey } from '../../common/key.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'
import { userFunctionError } from './user-function-error.ts'

/** Makes the key of a record the current key of its operator's state. */
export class KeySelection {
  readonly keyedState: KeyedStateBackend
  readonly #keyOf: (value: unknown) => Key
  readonly #operatorName: string

  constructor(context: OperatorContext) {
    const { keyedState, keySelector, operatorName } = context
    if (keyedState === undefined || keySelector === undefined) {
      throw new MillraceError(
        'MR_INTERNAL',
        `operator "${operatorName}" works on a keyed stream and got no keyed state`,
        {
          operator: operatorName,
        },
      )
    }
    this.keyedState = keyedState
    this.#keyOf = keySelector
    this.#operatorName = operatorName
  }

  select(value: unknown): Key {
    try {
      const key = this.#keyOf(value)
      this.keyedState.setCurrentKey(key, hashKey(key))
      return key
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** The same where the sender of the record has hashed its key. */
  selectHashed(value: unknown, keyHash: number): Key {
    try {
      const key = this.#keyOf(value)
      this.keyedState.setCurrentKey(key, keyHash)
      return key
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #failure(error: unknown): MillraceError {
    if (isMillraceError(error) && error.code === 'MR_KEY' && error.operator === undefined) {
      return new MillraceError('MR_KEY', `the key selector of operator "${this.#operatorName}": ${error.message}`, {
        cause: error,
        operator: this.#operatorName,
      })
    }
    return userFunctionError(error, this.#operatorName, 'the key selector')
  }
}
