// Views a page in 10-second windows of event time, into files, exactly once. `npm run demo` runs it and checks the result.
// Arguments: the folder of the results, the number of views, the topic to read (none: the views are made up here), views a second.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type AggregateFunction,
  datagen,
  job,
  type Source,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { json } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'

export interface View {
  /** Its identity: by it the demo proves that nothing is lost or doubled. */
  readonly id: number
  readonly page: string
  /** When it happened, epoch milliseconds. */
  readonly at: number
}

export interface PageViews {
  readonly page: string
  readonly windowStart: number
  readonly views: number
  readonly ids: readonly number[]
}

const pages = ['/', '/pricing', '/docs', '/blog', '/download', '/about', '/login', '/jobs']
const begin = Date.UTC(2026, 0, 1)

/** View number `id`, a fixed function of it; up to two seconds out of order. */
export function viewOf(id: number): View {
  const mixed = Math.imul(id ^ (id >>> 15), 0x2c1b3c6d) >>> 0
  const page = pages[Math.floor(((mixed % 1000) / 1000) ** 2 * pages.length)] ?? '/'
  return { id, page, at: begin + Math.floor(id / 2) + ((mixed >>> 12) % 2000) }
}

const viewsWithIds: AggregateFunction<View, { views: number; ids: number[] }, { views: number; ids: number[] }> = {
  createAccumulator: () => ({ views: 0, ids: [] }),
  add(accumulator, view) {
    accumulator.views++
    accumulator.ids.push(view.id)
    return accumulator
  },
  getResult: ({ views, ids }) => ({ views, ids: [...ids] }),
  merge: (left, right) => ({ views: left.views + right.views, ids: [...left.ids, ...right.ids] }),
}

/** Ends the slot's thread in the middle, once: what a crash of native code or a full heap would do. */
function dieOnceAt(id: number, folder: string): (view: View) => View {
  const marker = join(folder, '.slot-killed')
  return (view) => {
    if (view.id === id && !existsSync(marker)) {
      writeFileSync(marker, '')
      process.exit(1)
    }
    return view
  }
}

export default job('page-views', (env, [folder = 'page-views', count = '200000', topic = '', rate = '20000']) => {
  env.enableCheckpointing('500ms')
  const source: Source<View> =
    topic === ''
      ? datagen({ generate: viewOf, count: Number(count), recordsPerSecond: Number(rate) })
      : KafkaSource.of({ topics: [topic], groupId: 'page-views', value: json<View>(), endOffsets: 'latest' })
  env
    .fromSource(
      source,
      WatermarkStrategy.forBoundedOutOfOrderness('2s').withTimestamps((view) => view.at),
      'views',
    )
    .map(dieOnceAt(Math.floor(Number(count) / 2), folder))
    .keyBy((view) => view.page)
    .window(TumblingEventTimeWindows.of('10s'))
    .aggregate(viewsWithIds, { withKey: (page, result, window) => ({ page, windowStart: window.start, ...result }) })
    .sinkTo(FileSink.of<PageViews>({ folder: join(folder, 'results') }))
})
