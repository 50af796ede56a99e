import { isMillraceError, MillraceError } from '../common/errors.ts'
import type { ByteWriter } from '../formats/byte-writer.ts'
import type { DataType } from '../formats/data-type.ts'
import { type Serializer, serializerOf } from '../formats/serializer.ts'
import { StampedSerializer, type StampedShape } from './stamped-serializer.ts'

export interface StateSerializerOptions {
  readonly stateName: string
  readonly operatorName: string
  /** Its values are Stamped ones, or lists of them; undefined: without a time to live. */
  readonly stamped?: StampedShape | undefined
}

/** Serializer of one state, whose errors name the state and its operator. */
export class StateSerializer<T> implements Serializer<T> {
  readonly fingerprint: string
  readonly schemaText: string
  readonly #serializer: Serializer<T>
  readonly #stateName: string
  readonly #operatorName: string

  constructor(type: DataType<T>, { stateName, operatorName, stamped }: StateSerializerOptions) {
    this.#serializer =
      stamped === undefined
        ? serializerOf(type)
        : (new StampedSerializer(type, stamped) as Serializer<unknown> as Serializer<T>)
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
