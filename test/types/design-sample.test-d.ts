import {
  count,
  type DataType,
  job,
  type Sink,
  type Source,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { expectTypeOf, test } from 'vitest'

interface AdEvent {
  readonly type: string
  readonly adId: string
  readonly eventTime: number
}

declare const KafkaSource: {
  of<T>(options: { topics: string[]; groupId: string; value: DataType<T> }): Source<T>
}
declare function json<T>(): DataType<T>
declare function campaignOf(adId: string): string
declare const sink: Sink<number>

test('the sample of DESIGN section 3 compiles, and its functions know their records', () => {
  job('views-per-campaign', (env, args) => {
    expectTypeOf(args).toEqualTypeOf<readonly string[]>()
    const ads = env.fromSource(
      KafkaSource.of({ topics: ['ads'], groupId: 'views', value: json<AdEvent>() }),
      WatermarkStrategy.forBoundedOutOfOrderness('5s').withTimestamps((e) => {
        expectTypeOf(e).toEqualTypeOf<AdEvent>()
        return e.eventTime
      }),
      'ads',
    )
    ads
      .filter((e) => e.type === 'view')
      .keyBy((e) => {
        expectTypeOf(e).toEqualTypeOf<AdEvent>()
        return campaignOf(e.adId)
      })
      .window(TumblingEventTimeWindows.of('10s'))
      .aggregate(count())
      .sinkTo(sink)
  })
})

test('an expression body infers as well', () => {
  job('views-per-campaign', (env) => {
    const ads = env.fromSource(
      KafkaSource.of({ topics: ['ads'], groupId: 'views', value: json<AdEvent>() }),
      WatermarkStrategy.forBoundedOutOfOrderness('5s').withTimestamps((e) => e.eventTime),
      'ads',
    )
    const idle = env.fromSource(
      KafkaSource.of({ topics: ['ads'], groupId: 'views', value: json<AdEvent>() }),
      WatermarkStrategy.forBoundedOutOfOrderness('5s')
        .withIdleness('1min')
        .withTimestamps((e) => e.eventTime),
      'ads with idleness',
    )
    expectTypeOf(idle).toEqualTypeOf(ads)
  })
})
