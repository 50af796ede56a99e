import { expectTypeOf, test } from 'vitest'
import type { Source } from '../../src/api/source.ts'
import { KafkaSource, OffsetsInitializer } from '../../src/connectors/kafka/index.ts'
import { bytes, int32, json, record, string } from '../../src/formats/index.ts'

interface AdEvent {
  readonly adId: string
  readonly eventTime: number
}

test('the type of a Kafka source is that of its format', () => {
  const untyped = KafkaSource.of({ topics: ['ads'], groupId: 'views', value: json<AdEvent>() })
  expectTypeOf(untyped).toEqualTypeOf<KafkaSource<AdEvent>>()
  expectTypeOf(untyped).toExtend<Source<AdEvent>>()
  const declared = KafkaSource.of({ topicPattern: /ads-.*/, value: json(record({ id: string(), n: int32() })) })
  expectTypeOf(declared).toEqualTypeOf<KafkaSource<{ id: string; n: number }>>()
  expectTypeOf(KafkaSource.of({ topics: ['ads'], value: bytes() })).toEqualTypeOf<KafkaSource<Uint8Array>>()
})

test('the type of a Kafka source is that which its deserializer returns', () => {
  const source = KafkaSource.of({
    topics: ['ads'],
    startingOffsets: OffsetsInitializer.timestamp(0),
    deserialize: ({ key, value, headers, offset }) => {
      expectTypeOf(key).toEqualTypeOf<Buffer | null>()
      expectTypeOf(headers[0]?.key).toEqualTypeOf<string | undefined>()
      return { text: String(value), offset }
    },
  })
  expectTypeOf(source).toEqualTypeOf<KafkaSource<{ text: string; offset: number }>>()
})

test('options that contradict each other do not compile', () => {
  const value = string()
  // @ts-expect-error neither topics nor a pattern
  KafkaSource.of({ value })
  // @ts-expect-error topics and a pattern
  KafkaSource.of({ topics: ['ads'], topicPattern: /ads/, value })
  // @ts-expect-error a format and a deserializer
  KafkaSource.of({ topics: ['ads'], value, deserialize: () => '' })
  // @ts-expect-error earliest is no end
  KafkaSource.of({ topics: ['ads'], value, endOffsets: 'earliest' })
})
