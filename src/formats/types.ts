import { MillraceError } from '../common/errors.ts'
import { copyOfBytes, type SlicedBuffer } from './avro-primitives.ts'
import type {
  ArrayType,
  DataType,
  DeclaredType,
  KeyType,
  MapType,
  NullableType,
  RecordField,
  RecordType,
  ScalarKind,
  ScalarType,
  SetType,
  UntypedType,
} from './data-type.ts'
import type { Decoder, Encoder, Format } from './format.ts'

/** The TypeScript type that a declaration describes. */
export type TypeOf<Declaration> = Declaration extends DataType<infer T> ? T : never

/** A scalar type that also says how its values stand alone in bytes, such as a Kafka record's value. */
export type ScalarFormat<T> = ScalarType<T> & Format<T>

/** The name of a record type that was given none. */
export const defaultRecordName = 'Record'

/** Methods stand on the prototype, so that a type stays plain data to structuredClone and JSON. */
class StringType implements Format<string> {
  readonly kind = 'string'
  get name(): string {
    return 'string'
  }
  get type(): ScalarType<string> {
    return this
  }
  createDecoder(): Decoder<string> {
    return { decode: (bytes, start, end) => (bytes as SlicedBuffer).utf8Slice(start, end) }
  }
  createEncoder(): Encoder<string> {
    return { encode: (value) => Buffer.from(value, 'utf8') }
  }
}

class BytesType implements Format<Uint8Array> {
  readonly kind = 'bytes'
  get name(): string {
    return 'bytes'
  }
  get type(): ScalarType<Uint8Array> {
    return this
  }
  createDecoder(): Decoder<Uint8Array> {
    // Asking a Buffer for its ArrayBuffer leaves the compiled code: once for each answer, not for each record.
    let last: Buffer | undefined
    let whole: ArrayBufferLike
    let offset = 0
    return {
      decode: copyOfBytes,
      decodeView(bytes, start, end) {
        if (bytes !== last) {
          last = bytes
          whole = bytes.buffer
          offset = bytes.byteOffset
        }
        return new Uint8Array(whole, offset + start, end - start)
      },
    }
  }
  createEncoder(): Encoder<Uint8Array> {
    return { encode: (value) => Buffer.from(value) }
  }
}

const stringType: ScalarFormat<string> = Object.freeze(new StringType())
const bytesType: ScalarFormat<Uint8Array> = Object.freeze(new BytesType())

function scalar<T>(kind: ScalarKind): ScalarType<T> {
  return Object.freeze({ kind })
}
const int32Type = scalar<number>('int32')
const longType = scalar<number>('long')
const doubleType = scalar<number>('double')
const booleanType = scalar<boolean>('boolean')

/** A string. As a format: the whole value is UTF-8 text; bytes that are no UTF-8 become U+FFFD. */
export function string(): ScalarFormat<string> {
  return stringType
}

/** An integer from −2^31 to 2^31 − 1. */
export function int32(): ScalarType<number> {
  return int32Type
}

/** An integer that a JavaScript number holds exactly: from −(2^53 − 1) to 2^53 − 1. */
export function long(): ScalarType<number> {
  return longType
}

/** Any JavaScript number. */
export function double(): ScalarType<number> {
  return doubleType
}

/** True or false. */
export function boolean(): ScalarType<boolean> {
  return booleanType
}

/** Bytes. As a format: the whole value, copied. In JSON, bytes are a string of base64. */
export function bytes(): ScalarFormat<Uint8Array> {
  return bytesType
}

/** A list of values of one type. */
export function array<D extends DeclaredType<unknown>>(of: D): ArrayType<TypeOf<D>[]> {
  return Object.freeze({ kind: 'array', items: of })
}

/**
 * A Map. Its keys are strings, numbers or booleans. In JSON it is an object where the keys are strings, else a list of
 * `[key, value]` pairs; in Avro a map, or an array of entries.
 * @throws MillraceError MR_JOB_DEFINITION for keys of another type
 */
export function map<K extends KeyType, V extends DeclaredType<unknown>>(
  key: K,
  value: V,
): MapType<Map<TypeOf<K>, TypeOf<V>>> {
  return Object.freeze({ kind: 'map', key: keyType(key, 'The keys of a map'), value })
}

/**
 * A Set of strings, numbers or booleans. In JSON and Avro it is a list, in which what stands twice counts once.
 * @throws MillraceError MR_JOB_DEFINITION for items of another type
 */
export function set<D extends KeyType>(of: D): SetType<Set<TypeOf<D>>> {
  return Object.freeze({ kind: 'set', items: keyType(of, 'The items of a set') })
}

const keyKinds: readonly string[] = ['string', 'int32', 'long', 'double', 'boolean']

function keyType(type: DeclaredType<unknown>, what: string): KeyType {
  if (keyKinds.includes(type.kind)) return type as KeyType
  throw new MillraceError('MR_JOB_DEFINITION', `${what} can not be of type ${type.kind}: use ${keyKinds.join(', ')}.`)
}

/** A value or null. In a record, a missing field is read as null. */
export function nullable<D extends DeclaredType<unknown>>(of: D): NullableType<TypeOf<D> | null> {
  if (of.kind === 'nullable') throw new MillraceError('MR_JOB_DEFINITION', 'nullable(nullable(…)) says nothing more.')
  return Object.freeze({ kind: 'nullable', of })
}

/**
 * A value of any kind that msgpackr can write: plain data, dates, Maps, Sets. Its fields are not checked (R39). Where it
 * is written (state, other slots), −0 becomes 0, a lone surrogate U+FFFD, and a field `__proto__` becomes `__proto_`.
 */
export function untyped<T>(): UntypedType<T> {
  return untypedType
}
const untypedType: UntypedType<never> = Object.freeze({ kind: 'untyped' })

type Fields = Readonly<Record<string, DeclaredType<unknown>>>
type RecordOf<F extends Fields> = { [Name in keyof F]: TypeOf<F[Name]> }

/**
 * A record type: `record({ userId: string(), value: int32() })` describes `{ userId: string, value: number }`.
 *
 * A record has exactly these fields: others that an object may have are dropped where it is written.
 * @param options.name the name in Avro schemas, letters, digits and `_`; default `Record`
 * @throws MillraceError MR_JOB_DEFINITION for a name that is not allowed, or no fields
 */
export function record<F extends Fields>(fields: F, options: { readonly name?: string } = {}): RecordType<RecordOf<F>> {
  const name = options.name ?? defaultRecordName
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new MillraceError('MR_JOB_DEFINITION', `${JSON.stringify(name)} can not be the name of a record type.`)
  }
  const list: readonly RecordField[] = Object.entries(fields).map(([field, type]) => {
    // An object literal with this name would set the prototype.
    if (field === '__proto__') throw new MillraceError('MR_JOB_DEFINITION', 'A field can not be named __proto__.')
    // What bytes that are no UTF-8 are read as: such a name could not be told from them.
    if (!field.isWellFormed() || field.includes('\ufffd')) {
      throw new MillraceError('MR_JOB_DEFINITION', `Field name ${JSON.stringify(field)} is no valid text.`)
    }
    return Object.freeze({ name: field, type })
  })
  if (list.length === 0) throw new MillraceError('MR_JOB_DEFINITION', `Record type ${name} has no fields.`)
  return Object.freeze({ kind: 'record', name, fields: Object.freeze(list) })
}
