import { isMillraceError, MillraceError } from '../common/errors.ts'
import type { ByteWriter } from '../formats/byte-writer.ts'
import type { DataType } from '../formats/data-type.ts'
import { type Serializer, serializerOf } from '../formats/serializer.ts'

/** Serializer of one state, whose errors name the state and its operator. */
export class StateSerializer<T> implements Serializer<T> {
  readonly fingerprint: string
  readonly schemaText: string
  readonly #serializer: Serializer<T>
  readonly #stateName: string
  readonly #operatorName: string

  constructor(type: DataType<T>, stateName: string, operatorName: string) {
    this.#serializer = serializerOf(type)
    this.fingerprint = this.#serializer.fingerprint
    this.schemaText = this.#serializer.schemaText
    this.#stateName = stateName
    this.#operatorName = operatorName
  }

  encodeInto(writer: ByteWriter, value: T): void {
    try {
      this.#serializer.encodeInto(writer, value)
    } catch (error) {
      throw this.#named(error)
    }
  }

  encode(value: T): Buffer {
    try {
      return this.#serializer.encode(value)
    } catch (error) {
      throw this.#named(error)
    }
  }

  decode(bytes: Uint8Array, start: number, end: number): T {
    return this.#serializer.decode(bytes, start, end)
  }

  #named(error: unknown): unknown {
    if (!isMillraceError(error) || error.code !== 'MR_STATE_TYPE') return error
    return new MillraceError(
      'MR_STATE_TYPE',
      `State "${this.#stateName}" of operator "${this.#operatorName}": ${error.message}`,
      { cause: error, operator: this.#operatorName },
    )
  }
}
