// W3: the Yahoo streaming benchmark: views of each campaign in windows of 10 s, to Redis (bench/peers/README.md).
import { readFileSync } from 'node:fs'
import { col, count, type DataStream, job, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { json, record, string, type TypeOf } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { RedisSink } from 'millrace/redis'
import { noted, tracked } from './measuring.ts'
import { timed } from './timed-sink.ts'

const adEvent = record({ ad_id: string(), event_type: string(), event_time: string() })
type AdEvent = TypeOf<typeof adEvent>
const view = record({ campaign: string() })

interface Views {
  readonly campaign: string
  readonly windowStart: number
  readonly views: number
}

/** Arguments: topic, folder for the figures, tier, file of ads and campaigns, port of Redis. */
export default job('w3', (env, [topic = 'peers-w3', folder = '.', tier = 'typed', ads = 'ads.csv', port = '7391']) => {
  const campaigns = new Map(
    readFileSync(ads, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(',') as [string, string]),
  )
  const bounded = WatermarkStrategy.forBoundedOutOfOrderness('1s')
  const source = tracked(
    KafkaSource.of({
      topics: [topic],
      groupId: 'bench-w3',
      value: noted(tier === 'untyped' ? json<AdEvent>() : json(adEvent)),
      endOffsets: 'latest',
    }),
  )
  const byFunctions = (): DataStream<Views> => {
    const views = env
      .fromSource(
        source,
        bounded.withTimestamps((event: AdEvent) => Number(event.event_time)),
        'events',
      )
      .filter((event) => event.event_type === 'view')
      .map((event) => ({ campaign: campaigns.get(event.ad_id) ?? '' }))
    return (tier === 'typed' ? views.returns(view) : views)
      .keyBy((event) => event.campaign)
      .window(TumblingEventTimeWindows.of('10s'))
      .aggregate(count(), {
        withKey: (campaign, total, window) => ({ campaign, windowStart: window.start, views: total }),
      })
  }
  const byExpressions = (): DataStream<Views> =>
    env
      .fromSource(source, bounded.withTimestamps(col('event_time').toNumber()), 'events')
      .where(col('event_type').eq('view'))
      .select({ campaign: col('ad_id').lookup(campaigns).coalesce('') })
      .keyBy('campaign')
      .window(TumblingEventTimeWindows.of('10s'))
      .aggregate({ views: count() })
  const totals = tier === 'columns' ? byExpressions() : byFunctions()
  totals.sinkTo(
    timed(
      folder,
      RedisSink.of({
        url: `redis://127.0.0.1:${port}`,
        key: ({ campaign }) => `ysb:${campaign}`,
        hash: ({ windowStart, views: total }) => ({ [windowStart]: total }),
      }),
    ),
  )
})
