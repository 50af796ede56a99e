import type { Root, Type } from 'protobufjs'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { Decoder, Encoder, Format } from './format.ts'
import { protobufPackage } from './installed-packages.ts'
import { messageProblem } from './protobuf-check.ts'
import { untyped } from './types.ts'

export type ProtobufOptions = ProtobufSchema & {
  /** Full name of the message of the values, such as `shop.Order`. */
  readonly messageType: string
  /** What 64-bit integers are read as. `number` (default): one above 2^53 is an error. Both are written. */
  readonly longs?: 'number' | 'bigint'
  /** Names of fields as they stand in the schema; default false: `user_id` becomes `userId`, as in Protobuf's JSON. */
  readonly keepCase?: boolean
}

export type ProtobufSchema =
  | {
      /** Text of the `.proto` file, or of several, in any order. What they import has to be among them; `google/protobuf/*` is known. */
      readonly schema: string | readonly string[]
      readonly descriptor?: never
    }
  | {
      /** A serialized `FileDescriptorSet`, as `protoc --descriptor_set_out --include_imports` makes it. */
      readonly descriptor: Uint8Array
      readonly schema?: never
    }

/**
 * Protobuf: one message, without a length before it.
 *
 * Values are plain objects: enums by name (the number of a value that the schema does not have), bytes as Uint8Array, maps
 * as objects. A field that is not set has its default, a message that is not set is null, and `optional` fields and
 * members of a `oneof` that are not set are left out. Unknown fields are skipped.
 *
 * The text of a `.proto` file becomes a part of the job by importing it, on a cluster too:
 * `import schema from './order.proto'` (declare the module for TypeScript: `declare module '*.proto'`).
 *
 * ```ts
 * import { protobuf } from 'millrace/formats'
 *
 * const schema = `
 *   syntax = "proto3";
 *   package shop;
 *   message Order { string id = 1; int64 placed_at = 2; repeated string tags = 3; }
 * `
 * export const orders = protobuf<{ id: string; placedAt: number; tags: string[] }>({ schema, messageType: 'shop.Order' })
 * ```
 *
 * Bytes that are no such message are a record that can not be decoded (MR_DESERIALIZATION); a value that does not fit when it
 * is written is MR_STATE_TYPE, naming the field.
 *
 * @throws MillraceError MR_JOB_DEFINITION where the schema can not be read or has no such message
 */
export function protobuf<T>(options: ProtobufOptions): Format<T> {
  const { longs = 'number' } = options
  const type = messageTypeOf(options)
  return {
    name: 'protobuf',
    type: untyped<T>(),
    createDecoder: () => new ProtobufDecoder<T>(type, longs),
    createEncoder: () => protobufEncoder<T>(type),
  }
}

function messageTypeOf(options: ProtobufOptions): Type {
  const { messageType } = options
  try {
    const root = rootOf(options)
    root.resolveAll()
    return root.lookupType(messageType)
  } catch (error) {
    throw new MillraceError('MR_JOB_DEFINITION', `protobuf(): message ${messageType}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function rootOf({ schema, descriptor, keepCase = false }: ProtobufOptions): Root {
  const protobufjs = protobufPackage()
  if (descriptor !== undefined) {
    return (protobufjs.Root as unknown as DescriptorReader).fromDescriptor(Buffer.from(descriptor), { keepCase })
  }
  const root = new protobufjs.Root()
  const texts = typeof schema === 'string' ? [schema] : (schema ?? [])
  const imports = texts.flatMap((text) => {
    const parsed = protobufjs.parse(text, root, { keepCase })
    return [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])]
  })
  for (const name of new Set(imports)) {
    const common = protobufjs.common.get(name)
    if (common?.nested !== undefined) root.addJSON(common.nested)
  }
  return root
}

/** What `protobufjs/ext/descriptor` adds. */
interface DescriptorReader {
  fromDescriptor(descriptor: Uint8Array, options: { readonly keepCase: boolean }): Root
}

/** A 64-bit integer of the package long. */
interface LongValue {
  toNumber(): number
  toString(): string
}

interface LongClass {
  isLong(value: unknown): value is LongValue
}

class ProtobufDecoder<T> implements Decoder<T> {
  readonly #type: Type
  readonly #longs: 'number' | 'bigint'
  readonly #isLong: (value: unknown) => value is LongValue

  constructor(type: Type, longs: 'number' | 'bigint') {
    this.#type = type
    this.#longs = longs
    this.#isLong = (protobufPackage().util.Long as unknown as LongClass).isLong
  }

  decode(bytes: Buffer, start: number, end: number): T {
    // Bytes fields are views of what is decoded.
    const copy = Buffer.from(bytes.subarray(start, end))
    try {
      const message = this.#type.decode(copy)
      if (this.#longs === 'bigint') return this.#type.toObject(message, { ...plainValues, longs: BigInt }) as T
      return this.#withNumbers(this.#type.toObject(message, plainValues)) as T
    } catch (error) {
      const what = `not a Protobuf message ${this.#type.fullName.slice(1)}`
      throw new MillraceError('MR_DESERIALIZATION', `${what}: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Longs as numbers, in place. */
  #withNumbers(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
    if (this.#isLong(value)) {
      const number = value.toNumber()
      if (Number.isSafeInteger(number)) return number
      throw new RangeError(`${value.toString()} is too large for a number: read longs as bigint`)
    }
    const parts = value as Record<string | number, unknown>
    for (const key of Object.keys(parts)) {
      const part = parts[key]
      if (typeof part === 'object' && part !== null) parts[key] = this.#withNumbers(part)
    }
    return value
  }
}

const plainValues = { enums: String, defaults: true, arrays: true, objects: true }

function protobufEncoder<T>(type: Type): Encoder<T> {
  return {
    encode(value) {
      const problem = messageProblem(type, value, '')
      if (problem !== undefined) throw new MillraceError('MR_STATE_TYPE', problem)
      const message = type.fromObject(value as Record<string, unknown>)
      return Buffer.from(type.encode(message).finish())
    },
  }
}
