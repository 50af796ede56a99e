import type { Type } from 'avsc'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { JsonValue } from '../common/json.ts'
import { avscPackage } from './installed-packages.ts'

/** A parsed Avro schema: names are resolved, so that recursive types are cycles. */
export type AvroNode = AvroScalarNode | AvroFixedNode | AvroEnumNode | AvroRecordNode | AvroNestedNode

export interface AvroScalarNode {
  readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes'
  readonly logical?: AvroLogicalType | undefined
}
export interface AvroFixedNode {
  readonly kind: 'fixed'
  readonly name: string
  readonly aliases: readonly string[]
  readonly size: number
  readonly logical?: AvroLogicalType | undefined
}
export interface AvroEnumNode {
  readonly kind: 'enum'
  readonly name: string
  readonly aliases: readonly string[]
  readonly symbols: readonly string[]
  readonly default: string | undefined
}
export interface AvroRecordNode {
  readonly kind: 'record'
  readonly name: string
  readonly aliases: readonly string[]
  readonly fields: readonly AvroFieldNode[]
}
export type AvroNestedNode =
  | { readonly kind: 'array'; readonly items: AvroNode }
  | { readonly kind: 'map'; readonly values: AvroNode }
  | {
      readonly kind: 'union'
      readonly branches: readonly AvroNode[]
      /** Values of two branches look alike: they are written as `{ branchName: value }`. */
      readonly wrapped: boolean
    }

export interface AvroFieldNode {
  readonly name: string
  readonly aliases: readonly string[]
  readonly type: AvroNode
  /** The default's bytes; undefined: there is none. */
  readonly defaultBytes: Buffer | undefined
}

export type AvroLogicalType =
  | {
      readonly name: 'date' | 'time-millis' | 'time-micros' | 'timestamp-millis' | 'timestamp-micros' | 'uuid'
    }
  | { readonly name: 'decimal'; readonly precision: number; readonly scale: number }

/** What a logical type may stand on; anywhere else it is ignored, as the specification says. */
const logicalOn: Readonly<Record<string, readonly string[]>> = {
  date: ['int'],
  'time-millis': ['int'],
  'time-micros': ['long'],
  'timestamp-millis': ['long'],
  'timestamp-micros': ['long'],
  uuid: ['string'],
  decimal: ['bytes', 'fixed'],
}

/** What avsc's types have, as far as it is used here. */
interface AvscType extends Type {
  readonly fields?: readonly {
    readonly name: string
    readonly aliases: readonly string[]
    readonly type: AvscType
    defaultValue(): unknown
  }[]
  readonly types?: readonly AvscType[]
  readonly itemsType?: AvscType
  readonly valuesType?: AvscType
  readonly symbols?: readonly string[]
  readonly size?: number
  readonly default?: string
  readonly underlyingType?: AvscType
  readonly logical?: AvroLogicalType
}

/** An Avro schema as JSON data, or the text of it. */
export type AvroSchemaSource = JsonValue

/**
 * @param what names the schema in the message
 * @param references schemas whose names it uses, each after those that it uses itself
 * @throws MillraceError MR_JOB_DEFINITION where it is no Avro schema
 */
export function parseAvroSchema(schema: AvroSchemaSource, what: string, references: readonly string[] = []): AvroNode {
  const data = typeof schema === 'string' ? jsonOf(schema, what) : schema
  try {
    const { Type: types } = avscPackage()
    // avsc's types of schemas are narrower than what it takes.
    const options = {
      logicalTypes: logicalTypes() as NonNullable<LogicalTypes>,
      wrapUnions: 'auto',
      registry: {},
    } as const
    for (const reference of references) types.forSchema(jsonOf(reference, what) as never, options)
    const type = types.forSchema(data as never, options)
    return nodeOf(type as AvscType, new Map())
  } catch (error) {
    throw new MillraceError('MR_JOB_DEFINITION', `${what} is no Avro schema: ${messageOf(error)}`, { cause: error })
  }
}

/** A schema's text is JSON, or the bare name of a primitive type. */
function jsonOf(text: string, what: string): JsonValue {
  if (/^[a-z]+$/.test(text)) return text
  try {
    return JSON.parse(text) as JsonValue
  } catch (error) {
    throw new MillraceError('MR_JOB_DEFINITION', `${what} is no JSON: ${messageOf(error)}`, { cause: error })
  }
}

type LogicalTypes = NonNullable<Parameters<typeof Type.forSchema>[1]>['logicalTypes']

/** Only marks: values stay those of the underlying type, in defaults too. */
function logicalTypes(): LogicalTypes {
  const { types } = avscPackage()
  class MarkedType extends types.LogicalType {
    readonly logical: AvroLogicalType | undefined

    constructor(schema: never, options?: unknown) {
      super(schema, options)
      this.logical = logicalOf(schema, this.underlyingType as AvscType)
    }
    override _fromValue(value: unknown): unknown {
      return value
    }
    override _toValue(value: unknown): unknown {
      return value
    }
    override _resolve(): undefined {}
  }
  return Object.fromEntries(Object.keys(logicalOn).map((name) => [name, MarkedType])) as unknown as LogicalTypes
}

function logicalOf(
  schema: { readonly logicalType: string; readonly precision?: unknown; readonly scale?: unknown },
  underlying: AvscType,
): AvroLogicalType | undefined {
  const { logicalType: name, precision, scale = 0 } = schema
  if (logicalOn[name]?.includes(underlying.typeName) !== true) return undefined
  if (name !== 'decimal') return { name } as AvroLogicalType
  const valid = Number.isInteger(precision) && Number.isInteger(scale)
  const digits = { precision: precision as number, scale: scale as number }
  return valid && digits.precision > 0 && digits.scale >= 0 && digits.scale <= digits.precision
    ? { name, ...digits }
    : undefined
}

function nodeOf(type: AvscType, seen: Map<AvscType, AvroNode>): AvroNode {
  const known = seen.get(type)
  if (known !== undefined) return known
  const node = newNode(type, seen)
  seen.set(type, node)
  return node
}

function newNode(type: AvscType, seen: Map<AvscType, AvroNode>): AvroNode {
  const { typeName, name = '', aliases = [] } = type
  if (type.underlyingType !== undefined) {
    return { ...nodeOf(type.underlyingType, seen), logical: type.logical } as AvroNode
  }
  switch (typeName) {
    case 'record':
    case 'error':
      return recordNode(type, seen)
    case 'array':
      return { kind: 'array', items: nodeOf(type.itemsType as AvscType, seen) }
    case 'map':
      return { kind: 'map', values: nodeOf(type.valuesType as AvscType, seen) }
    case 'union:wrapped':
    case 'union:unwrapped': {
      const branches = (type.types ?? []).map((branch) => nodeOf(branch, seen))
      const looks = branches.map(lookOf)
      return { kind: 'union', branches, wrapped: new Set(looks).size < looks.length }
    }
    case 'enum':
      return { kind: 'enum', name, aliases, symbols: type.symbols ?? [], default: type.default }
    case 'fixed':
      return { kind: 'fixed', name, aliases, size: type.size ?? 0 }
    default:
      return { kind: typeName as AvroScalarNode['kind'] }
  }
}

function recordNode(type: AvscType, seen: Map<AvscType, AvroNode>): AvroNode {
  const fields: AvroFieldNode[] = []
  const node: AvroRecordNode = { kind: 'record', name: type.name ?? '', aliases: type.aliases ?? [], fields }
  // Before its fields, which may refer to it.
  seen.set(type, node)
  for (const field of type.fields ?? []) {
    const value = field.defaultValue()
    const defaultBytes = value === undefined ? undefined : Buffer.from(field.type.toBuffer(value))
    fields.push({ name: field.name, aliases: field.aliases, type: nodeOf(field.type, seen), defaultBytes })
  }
  return node
}

/** Branches of a union whose values look alike in JavaScript can only be told apart by their names. */
function lookOf(node: AvroNode): string {
  if ('logical' in node && node.logical !== undefined) {
    switch (node.logical.name) {
      case 'date':
      case 'timestamp-millis':
        return 'date'
      case 'timestamp-micros':
        return 'bigint'
      case 'decimal':
      case 'uuid':
        return 'string'
      case 'time-millis':
      case 'time-micros':
        return 'number'
    }
  }
  switch (node.kind) {
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      return 'number'
    case 'enum':
    case 'string':
      return 'string'
    case 'bytes':
    case 'fixed':
      return 'bytes'
    case 'record':
    case 'map':
      return 'object'
    case 'null':
    case 'boolean':
    case 'array':
    case 'union':
      return node.kind
  }
}

/** The name of a branch in a wrapped value: the full name of a named type, else the kind. */
export function branchName(node: AvroNode): string {
  return 'name' in node && node.name !== '' ? node.name : node.kind
}

/** For messages. */
export function nodeText(node: AvroNode): string {
  const logical = 'logical' in node ? node.logical : undefined
  const name = 'name' in node ? `${node.kind} ${node.name}` : node.kind
  return logical === undefined ? name : `${name} (${logical.name})`
}
