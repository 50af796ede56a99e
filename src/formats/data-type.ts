/**
 * The declared type of records and state. One declaration gives the TypeScript type, the field scanner of JSON, the
 * columnar codec between slots, the Avro schema of state, and the layout of off-heap tables.
 */
export type DataType<T> = UntypedType<T> | DeclaredType<T>

declare const carried: unique symbol

/** Anything that msgpackr can write; not checked (R39). */
export interface UntypedType<T> {
  readonly kind: 'untyped'
  readonly [carried]?: T
}

export type ScalarKind = 'string' | 'int32' | 'long' | 'double' | 'boolean' | 'bytes'

/** A declared type: scalars, records, arrays, maps, sets, and nullable ones. */
export type DeclaredType<T> = ScalarType<T> | RecordType<T> | ArrayType<T> | MapType<T> | SetType<T> | NullableType<T>

/** What a Map or a Set tells its keys and items apart by: by value, so no bytes. */
export type KeyType = ScalarType<string | number | boolean>

export interface ScalarType<T> {
  readonly kind: ScalarKind
  readonly [carried]?: T
}

export interface RecordType<T> {
  readonly kind: 'record'
  /** Avro name, default `Record`. */
  readonly name: string
  readonly fields: readonly RecordField[]
  readonly [carried]?: T
}

export interface RecordField {
  readonly name: string
  readonly type: DeclaredType<unknown>
}

export interface ArrayType<T> {
  readonly kind: 'array'
  readonly items: DeclaredType<unknown>
  readonly [carried]?: T
}

/** A JavaScript Map. */
export interface MapType<T> {
  readonly kind: 'map'
  readonly key: KeyType
  readonly value: DeclaredType<unknown>
  readonly [carried]?: T
}

/** A JavaScript Set. */
export interface SetType<T> {
  readonly kind: 'set'
  readonly items: KeyType
  readonly [carried]?: T
}

export interface NullableType<T> {
  readonly kind: 'nullable'
  readonly of: DeclaredType<unknown>
  readonly [carried]?: T
}
