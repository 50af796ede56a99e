import fc from 'fast-check'
import { type DataStream, type StreamExecutionEnvironment, WatermarkStrategy } from 'millrace'
import { type CollectingSink, collectingSink, scriptedSource, startTestCluster } from 'millrace/testing'

/** A record that tells who it is. */
export interface Event {
  readonly id: string
  readonly key: number
  readonly at: number
}

const boundMs = 20

/** Splits of a stream: within each, records are at most `boundMs` out of order, so that none is late. */
export const splits = (name: string): fc.Arbitrary<readonly (readonly Event[])[]> =>
  fc
    .array(
      fc.array(fc.record({ key: fc.nat(4), step: fc.nat(30), back: fc.nat(boundMs) }), { maxLength: 25, size: 'max' }),
      { minLength: 1, maxLength: 3 },
    )
    .map((scripts) =>
      scripts.map((script, split) => {
        let clock = -100
        return script.map(({ key, step, back }, index) => {
          clock += step
          return { id: `${name}${split}.${index}`, key, at: clock - back }
        })
      }),
    )

export interface Restart {
  readonly parallelism: readonly [number, number]
  /** Virtual time until the slot is killed, and from there until the job stops. */
  readonly killedAfterMs: number
  readonly stoppedAfterMs: number
}

export const restarts: fc.Arbitrary<Restart> = fc.record({
  parallelism: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  killedAfterMs: fc.nat(120),
  stoppedAfterMs: fc.nat(120),
})

export function events(
  env: StreamExecutionEnvironment,
  name: string,
  scripts: readonly (readonly Event[])[],
): DataStream<Event> {
  const strategy = WatermarkStrategy.forBoundedOutOfOrderness(boundMs).withTimestamps(({ at }: Event) => at)
  return env.fromSource(scriptedSource(scripts, { recordsAtOnce: 2, interval: 10 }), strategy, name)
}

/** Runs a job that loses a slot, is stopped with a checkpoint, and goes on at another parallelism. */
export async function runRestarted(
  build: (env: StreamExecutionEnvironment) => DataStream<string>,
  { parallelism, killedAfterMs, stoppedAfterMs }: Restart,
): Promise<readonly string[]> {
  await using cluster = startTestCluster({ slots: 8, interleaving: 'random' })
  const sink: CollectingSink<string> = collectingSink()
  const settings = (of: number) => ({
    configuration: {
      'parallelism.default': of,
      'execution.checkpointing.interval': '15ms',
      'pipeline.auto-watermark-interval': '5ms',
    },
  })
  const job = (env: StreamExecutionEnvironment): void => {
    build(env).sinkTo(sink)
  }
  const first = await cluster.start(job, settings(parallelism[0]))
  await cluster.advanceTime(killedAfterMs)
  if (first.slots.length > 0) first.failSlot()
  await cluster.advanceTime(stoppedAfterMs)
  const stopped = await first.suspend()
  if (stopped.state !== 'FINISHED') {
    const second = await cluster.start(job, { ...settings(parallelism[1]), from: first })
    const result = await second.result()
    if (result.state !== 'FINISHED') throw new Error(`the job is ${result.state}: ${JSON.stringify(result.error)}`)
  }
  return sink.records.toSorted()
}
