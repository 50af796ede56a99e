import { MillraceError, messageOf } from '../common/errors.ts'
import { type AvroReaderSchema, type AvroValueOptions, declaredAvro, readWhole, schemaAvro } from './avro.ts'
import { type AvroNode, type AvroSchemaSource, parseAvroSchema } from './avro-node.ts'
import { type AvroRead, compileAvroReader } from './avro-resolution.ts'
import { avroWriterOf } from './avro-writing.ts'
import { ByteWriter } from './byte-writer.ts'
import type { DeclaredType } from './data-type.ts'
import type { Decoder, Encoder, Format } from './format.ts'
import { NotYetDecodable } from './not-yet-decodable.ts'
import { type RegisteredSchema, SchemaRegistryClient, type SchemaRegistryOptions } from './schema-registry.ts'
import { untyped } from './types.ts'

/** What records are read as and written with. */
export type ConfluentAvroSchema<T> =
  | {
      /** A declared type: read from whatever schema the records have, written with its own. */
      readonly type: DeclaredType<T>
      readonly schema?: never
    }
  | {
      /** A schema: the reader's when reading, the writer's when writing. Without one, records are read as they were written. */
      readonly schema?: AvroSchemaSource
      readonly type?: never
    }

/** The subject that a schema is registered for. Only needed to write. */
export interface ConfluentSubjectOptions {
  /** The subject itself; the options below are then not looked at. */
  readonly subject?: string
  /** Topic of the records; needed by the strategies that have Topic in their name. */
  readonly topic?: string
  /** The records' keys are written, not their values; default false. */
  readonly isKey?: boolean
  /** `TopicNameStrategy` (default): `<topic>-value`. `RecordNameStrategy`: the record's full name. `TopicRecordNameStrategy`: `<topic>-<name>`. */
  readonly subjectNameStrategy?: 'TopicNameStrategy' | 'RecordNameStrategy' | 'TopicRecordNameStrategy'
  /** `auto.register.schemas`, default true: the schema is registered when the job starts. False: it has to be there. */
  readonly autoRegister?: boolean
  /** `use.latest.version`, default false: write with the newest schema of the subject, whatever `schema` says. */
  readonly useLatestVersion?: boolean
}

export type ConfluentAvroOptions<T> = SchemaRegistryOptions &
  ConfluentSubjectOptions &
  ConfluentAvroSchema<T> &
  AvroValueOptions

/**
 * Avro in the wire format of Confluent's serializers: a zero byte, the schema's id in the registry (4 bytes, big-endian),
 * and the value. Values are those of `avro()`.
 *
 * Reading, a schema is fetched when its id is first seen, and kept; a Kafka source waits for it without blocking its
 * thread. An id that the registry does not know, and a schema that can not be read as `type` or `schema`, are records that
 * can not be decoded (MR_DESERIALIZATION, or a dead letter); a registry that does not answer fails the task
 * (MR_SCHEMA_REGISTRY). Writing, the schema is registered when the job starts: MR_SCHEMA_INCOMPATIBLE where the registry
 * refuses it.
 *
 * ```ts
 * import { confluentAvro, long, record, string } from 'millrace/formats'
 *
 * export const clicks = confluentAvro({
 *   url: 'http://localhost:8081',
 *   topic: 'clicks',
 *   type: record({ user: string(), at: long() }),
 * })
 * ```
 *
 * @throws MillraceError MR_CONFIGURATION naming the option, MR_JOB_DEFINITION where `schema` is no Avro schema
 */
export function confluentAvro<T>(options: ConfluentAvroOptions<T>): Format<T> {
  const registry = new SchemaRegistryClient(options)
  const own = ownSchema(options)
  const readers = new RegistryReaders(registry, own, options)
  return {
    name: 'confluent-avro',
    type: own?.type ?? untyped<T>(),
    createDecoder: () => new ConfluentAvroDecoder<T>(readers),
    createEncoder() {
      if (own === undefined && options.useLatestVersion !== true) {
        throw new MillraceError('MR_CONFIGURATION', 'confluentAvro: writing needs type, schema or useLatestVersion')
      }
      return new ConfluentAvroEncoder<T>(registry, own, { ...options, subject: subjectOf(options, own?.node) })
    },
  }
}

function ownSchema<T>({ type, schema, ...options }: ConfluentAvroOptions<T>): AvroReaderSchema<T> | undefined {
  if (type !== undefined) return declaredAvro(type)
  return schema === undefined ? undefined : schemaAvro<T>(schema, schema, options)
}

function subjectOf(options: ConfluentSubjectOptions, node: AvroNode | undefined): string {
  const { subject, topic, isKey = false, subjectNameStrategy = 'TopicNameStrategy' } = options
  if (subject !== undefined) return subject
  const name = node !== undefined && 'name' in node ? node.name : undefined
  if (subjectNameStrategy !== 'TopicNameStrategy' && name === undefined) {
    throw new MillraceError('MR_CONFIGURATION', `confluentAvro: ${subjectNameStrategy} needs the schema of a record`)
  }
  if (subjectNameStrategy === 'RecordNameStrategy') return name as string
  if (topic === undefined) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `confluentAvro: writing needs topic (for ${subjectNameStrategy}) or subject`,
    )
  }
  return subjectNameStrategy === 'TopicNameStrategy' ? `${topic}-${isKey ? 'key' : 'value'}` : `${topic}-${name}`
}

const magicByte = 0
const headerLength = 5
/** Schemas that can not be read are remembered up to this number; beyond, they are asked for again. */
const maxRefused = 1000

/** The readers of schemas that were fetched, for all decoders of one format. */
class RegistryReaders {
  readonly #registry: SchemaRegistryClient
  readonly #own: AvroReaderSchema<unknown> | undefined
  readonly #options: AvroValueOptions
  readonly #readers = new Map<number, AvroRead>()
  readonly #fetching = new Map<number, Promise<AvroRead | MillraceError>>()

  constructor(registry: SchemaRegistryClient, own: AvroReaderSchema<unknown> | undefined, options: AvroValueOptions) {
    this.#registry = registry
    this.#own = own
    this.#options = options
  }

  known(id: number): AvroRead | undefined {
    return this.#readers.get(id)
  }

  /** An error as a value: of records of this schema. @throws MillraceError MR_SCHEMA_REGISTRY */
  fetch(id: number): Promise<AvroRead | MillraceError> {
    const known = this.#fetching.get(id)
    if (known !== undefined) return known
    const fetching = this.#fetch(id).finally(() => this.#fetching.delete(id))
    this.#fetching.set(id, fetching)
    return fetching
  }

  async #fetch(id: number): Promise<AvroRead | MillraceError> {
    const schema = await this.#registry.schemaOf(id)
    try {
      if (schema === undefined) throw new Error('the registry has no such schema')
      const read = this.#readerOf(schema)
      this.#readers.set(id, read)
      return read
    } catch (error) {
      const message = `schema ${id} of registry ${this.#registry.address}: ${messageOf(error)}`
      return new MillraceError('MR_DESERIALIZATION', message, { cause: error })
    }
  }

  #readerOf(schema: RegisteredSchema): AvroRead {
    const own = this.#own
    if (own !== undefined && isSameText(schema.text, own.schemaText)) return own.readOwn()
    const node = nodeOf(schema)
    if (own !== undefined) return own.readFrom(node)
    return compileAvroReader(node, node, { longs: this.#options.longs ?? 'number', declared: false })
  }
}

function nodeOf({ id, schemaType, text, references }: RegisteredSchema): AvroNode {
  if (schemaType !== 'AVRO') throw new Error(`it is ${schemaType}, not Avro`)
  return parseAvroSchema(text, `schema ${id}`, references)
}

/** The registry leaves out white space. */
function isSameText(left: string, right: string): boolean {
  try {
    return JSON.stringify(JSON.parse(left)) === JSON.stringify(JSON.parse(right))
  } catch {
    return left === right
  }
}

class ConfluentAvroDecoder<T> implements Decoder<T> {
  readonly #readers: RegistryReaders
  /** What is wrong with the records of a schema. Kept here, so that a restarted task asks again. */
  readonly #refused = new Map<number, MillraceError>()

  constructor(readers: RegistryReaders) {
    this.#readers = readers
  }

  decode(bytes: Buffer, start: number, end: number): T {
    if (end - start < headerLength || bytes[start] !== magicByte) throw noHeader(bytes, start, end)
    const id = bytes.readUInt32BE(start + 1)
    const read = this.#readers.known(id)
    if (read === undefined) throw this.#refused.get(id) ?? this.#notYet(id)
    return readWhole(read, bytes, start + headerLength, end) as T
  }

  #notYet(id: number): NotYetDecodable {
    const ready = this.#readers.fetch(id).then((result) => {
      if (typeof result === 'function') return
      // Damaged records have ids of any kind.
      if (this.#refused.size >= maxRefused) this.#refused.clear()
      this.#refused.set(id, result)
    })
    // Told by whoever waits for it.
    ready.catch(() => {})
    return new NotYetDecodable(`schema ${id}`, ready)
  }
}

function noHeader(bytes: Buffer, start: number, end: number): MillraceError {
  const found = end > start ? `${end - start} bytes that begin with ${bytes[start]}` : 'no bytes'
  const message = `not in the schema registry's wire format (a zero byte and a schema id): got ${found}`
  return new MillraceError('MR_DESERIALIZATION', message)
}

class ConfluentAvroEncoder<T> implements Encoder<T> {
  readonly #registry: SchemaRegistryClient
  readonly #own: AvroReaderSchema<T> | undefined
  readonly #options: ConfluentSubjectOptions & { readonly subject: string }
  readonly #writer = new ByteWriter(256)
  #write: ((writer: ByteWriter, value: unknown) => void) | undefined
  #header = Buffer.alloc(headerLength)

  constructor(
    registry: SchemaRegistryClient,
    own: AvroReaderSchema<T> | undefined,
    options: ConfluentSubjectOptions & { readonly subject: string },
  ) {
    this.#registry = registry
    this.#own = own
    this.#options = options
  }

  /** Registers the schema, or finds it. */
  async open(): Promise<void> {
    const { id, write } = await this.#registered()
    const header = Buffer.alloc(headerLength)
    header.writeUInt32BE(id, 1)
    this.#header = header
    this.#write = write
  }

  encode(value: T): Buffer {
    const write = this.#write
    if (write === undefined) throw new MillraceError('MR_INTERNAL', 'confluentAvro: encode before open')
    const writer = this.#writer
    writer.position = 0
    writer.writeBytes(this.#header)
    write(writer, value)
    return writer.copy()
  }

  async #registered(): Promise<{ readonly id: number; readonly write: (writer: ByteWriter, value: unknown) => void }> {
    const { subject, autoRegister = true, useLatestVersion = false } = this.#options
    const own = this.#own
    if (useLatestVersion || own === undefined) {
      const latest = await this.#registry.latestOf(subject)
      if (latest === undefined) throw this.#missing('there is no such subject')
      return { id: latest.id, write: avroWriterOf(nodeOf(latest)) }
    }
    const id = autoRegister
      ? await this.#registry.register(subject, own.schemaText)
      : await this.#registry.lookUp(subject, own.schemaText)
    if (id === undefined) throw this.#missing('the schema is not registered, and autoRegister is false')
    return { id, write: own.writeOwn() }
  }

  #missing(why: string): MillraceError {
    const { subject } = this.#options
    return new MillraceError(
      'MR_SCHEMA_REGISTRY',
      `schema registry ${this.#registry.address}, subject ${subject}: ${why}`,
    )
  }
}
