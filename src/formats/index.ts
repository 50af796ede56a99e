/// <reference types="node" preserve="true" />
export type {
  ArrayType,
  DataType,
  DeclaredType,
  NullableType,
  RecordField,
  RecordType,
  ScalarKind,
  ScalarType,
  UntypedType,
} from './data-type.ts'
export type { BatchCodec, Decoder, Encoder, Format } from './format.ts'
export { json } from './json.ts'
export {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  nullable,
  record,
  type ScalarFormat,
  string,
  type TypeOf,
  untyped,
} from './types.ts'
