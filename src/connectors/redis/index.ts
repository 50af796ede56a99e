/// <reference types="node" preserve="true" />
export type { RedisConnectionOptions } from './redis-connection.ts'
export { type RedisLookup, type RedisLookupOptions, redisLookup } from './redis-lookup.ts'
export { type RedisMapping, RedisSink, type RedisSinkOptions } from './redis-sink.ts'
export type { RedisCommand } from './redis-sink-writer.ts'
