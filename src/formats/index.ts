/// <reference types="node" preserve="true" />
export {
  type AvroOptions,
  type AvroSchemaSource,
  type AvroValueOptions,
  avro,
  type DeclaredAvroOptions,
} from './avro.ts'
export {
  type ConfluentAvroOptions,
  type ConfluentAvroSchema,
  type ConfluentSubjectOptions,
  confluentAvro,
} from './confluent-avro.ts'
export { type CsvFormat, type CsvOptions, csv } from './csv.ts'
export type {
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
export type { BatchCodec, Decoder, Encoder, Format } from './format.ts'
export { json } from './json.ts'
export { NotYetDecodable } from './not-yet-decodable.ts'
export { type ProtobufOptions, type ProtobufSchema, protobuf } from './protobuf.ts'
export type { SchemaRegistryOptions } from './schema-registry.ts'
export {
  array,
  boolean,
  bytes,
  double,
  int32,
  long,
  map,
  nullable,
  record,
  type ScalarFormat,
  set,
  string,
  type TypeOf,
  untyped,
} from './types.ts'
