/// <reference types="node" preserve="true" />
export type { KafkaProperties, KafkaTlsOptions } from './kafka-options.ts'
export type { IsolationLevel } from './kafka-protocol.ts'
export type { KafkaHeader, KafkaRecord } from './kafka-record.ts'
export { type KafkaDeserialization, KafkaSource, type KafkaSourceOptions } from './kafka-source.ts'
export type { KafkaSourceBase, KafkaSubscription } from './kafka-source-settings.ts'
export type { OAuthTokenProvider } from './oauth-token.ts'
export {
  type ExplicitOffset,
  type OffsetReset,
  OffsetsInitializer,
  type OffsetsOption,
} from './offsets-initializer.ts'
export type {
  KafkaOAuthClientCredentials,
  KafkaOAuthOptions,
  KafkaOAuthToken,
  KafkaSaslOptions,
} from './sasl-options.ts'
export { KafkaSink } from './sink/kafka-sink.ts'
export type {
  KafkaSerialization,
  KafkaSinkBase,
  KafkaSinkHeaders,
  KafkaSinkOptions,
  KafkaSinkRecord,
  PartitionChoice,
} from './sink/kafka-sink-options.ts'
export type { KafkaCompression } from './sink/record-packing.ts'
