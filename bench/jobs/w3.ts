// W3: the Yahoo streaming benchmark: views of each campaign in windows of 10 s, to Redis (bench/peers/README.md).
import { readFileSync } from 'node:fs'
import { count, job, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { json, record, string, type TypeOf } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { RedisSink } from 'millrace/redis'
import { noted } from './measuring.ts'
import { timed } from './timed-sink.ts'

const adEvent = record({ ad_id: string(), event_type: string(), event_time: string() })
type AdEvent = TypeOf<typeof adEvent>
const view = record({ campaign: string() })

/** Arguments: topic, folder for the figures, tier, file of ads and campaigns, port of Redis. */
export default job('w3', (env, [topic = 'peers-w3', folder = '.', tier = 'typed', ads = 'ads.csv', port = '7391']) => {
  const typed = tier === 'typed'
  const campaigns = new Map(
    readFileSync(ads, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(',') as [string, string]),
  )
  const views = env
    .fromSource(
      KafkaSource.of({
        topics: [topic],
        groupId: 'bench-w3',
        value: noted(typed ? json(adEvent) : json<AdEvent>()),
        endOffsets: 'latest',
      }),
      WatermarkStrategy.forBoundedOutOfOrderness('1s').withTimestamps((event) => Number(event.event_time)),
      'events',
    )
    .filter((event) => event.event_type === 'view')
    .map((event) => ({ campaign: campaigns.get(event.ad_id) ?? '' }))
  const keyed = (typed ? views.returns(view) : views).keyBy((event) => event.campaign)
  keyed
    .window(TumblingEventTimeWindows.of('10s'))
    .aggregate(count(), {
      withKey: (campaign, total, window) => ({ campaign, windowStart: window.start, views: total }),
    })
    .sinkTo(
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
