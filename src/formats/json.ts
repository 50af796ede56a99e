import { MillraceError, messageOf } from '../common/errors.ts'
import type { DeclaredType } from './data-type.ts'
import type { Decoder, Encoder, Format } from './format.ts'
import { pickDeclared } from './pick-declared.ts'
import { untyped } from './types.ts'

/** JSON of any shape: what JSON.parse gives. The type is what you say it is; it is not checked. */
export function json<T>(): Format<T>
/**
 * JSON of a declared type: only the declared fields are taken, others are skipped, and a value of another type is an
 * error that names the field. A missing nullable field is null.
 */
export function json<T>(type: DeclaredType<T>): Format<T>
export function json<T>(type?: DeclaredType<T>): Format<T> {
  if (type === undefined) {
    return { name: 'json', type: untyped<T>(), createDecoder: untypedDecoder, createEncoder: untypedEncoder }
  }
  return { name: 'json', type, createDecoder: () => declaredDecoder(type), createEncoder: untypedEncoder }
}

function untypedDecoder<T>(): Decoder<T> {
  return { decode: (bytes, start, end) => parseJson(bytes, start, end) as T }
}

function declaredDecoder<T>(type: DeclaredType<T>): Decoder<T> {
  return { decode: (bytes, start, end) => pickDeclared(type, parseJson(bytes, start, end), '') as T }
}

function parseJson(bytes: Buffer, start: number, end: number): unknown {
  const text = bytes.toString('utf8', start, end)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MillraceError('MR_DESERIALIZATION', `not JSON: ${messageOf(error)}`, { cause: error })
  }
}

function untypedEncoder<T>(): Encoder<T> {
  return { encode: (value) => Buffer.from(JSON.stringify(value), 'utf8') }
}
