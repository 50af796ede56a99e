import {
  AsyncDataStream,
  type Collector,
  count,
  type DataStream,
  type DataStreamSink,
  type DeadLetter,
  type DeadLetterOptions,
  EventTimeSessionWindows,
  type JobBuilder,
  type KeyedProcessFunction,
  outputTag,
  type SingleOutputStreamOperator,
  type Sink,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
  type ValueState,
  valueStateDescriptor,
  WatermarkStrategy,
} from 'millrace'
import { collectingSink, FAIL, scriptedSource, startTestCluster } from 'millrace/testing'
import { describe, expect, test } from 'vitest'

const refused = outputTag<DeadLetter>('refused')
const noWatermarks = WatermarkStrategy.noWatermarks()
const ascending = WatermarkStrategy.forMonotonousTimestamps().withTimestamps((at: number) => at)

function odd(value: number): number {
  if (value % 2 === 0) throw new Error(`${value} is even`)
  return value
}

/** Runs a job whose operator refuses records; what its stream and its dead-letter output give, sorted. */
async function run<Out>(
  declare: (numbers: DataStream<number>) => SingleOutputStreamOperator<Out>,
  { parallelism = 1, options = {} }: { readonly parallelism?: number; readonly options?: DeadLetterOptions } = {},
) {
  const [results, letters] = [collectingSink<Out>(), collectingSink<DeadLetter>()]
  await using cluster = startTestCluster()
  const job = await cluster.start((env) => {
    env.setRestartStrategy({ type: 'none' }).setAutoWatermarkInterval(0)
    const numbers = env.fromSource(scriptedSource([[1, 2, 3, 4]], { recordsAtOnce: 1 }), ascending, 'numbers')
    const operator = declare(numbers).name('tested').setParallelism(parallelism).deadLetters(refused, options)
    operator.sinkTo(results, 'results')
    operator.getSideOutput(refused).sinkTo(letters, 'letters')
  })
  const result = await job.result()
  return { ...result, results: results.records.toSorted(), letters: letters.records, status: job.status() }
}

describe('records that an operator refuses are dead letters, and the others go on', () => {
  test.each<[string, (numbers: DataStream<number>) => SingleOutputStreamOperator<unknown>]>([
    ['map', (numbers) => numbers.map(odd)],
    ['filter', (numbers) => numbers.filter((value) => odd(value) > 0)],
    ['flatMap', (numbers) => numbers.flatMap((value) => [odd(value)])],
    ['process', (numbers) => numbers.process({ processElement: (value, _context, out) => out.collect(odd(value)) })],
    ['reduce', (numbers) => numbers.keyBy(odd).reduce((left) => left)],
    ['keyed process', (numbers) => numbers.keyBy(odd).process(passOn())],
    ['timestamps', (numbers) => numbers.assignTimestampsAndWatermarks(noWatermarks.withTimestamps(odd))],
    ['async', (numbers) => AsyncDataStream.orderedWait(numbers, async (value) => [odd(value)], { timeout: '1s' })],
    [
      'window',
      (numbers) =>
        numbers
          .keyBy(odd)
          .window(TumblingEventTimeWindows.of(10))
          .reduce((left) => left),
    ],
    [
      'session',
      (numbers) =>
        numbers
          .keyBy(odd)
          .window(EventTimeSessionWindows.withGap(10))
          .reduce((left) => left),
    ],
  ])('%s, chained and behind an exchange', async (_name, declare) => {
    for (const parallelism of [1, 2]) {
      const { state, error, results, letters, status } = await run(declare, { parallelism })
      expect({ state, error }).toEqual({ state: 'FINISHED', error: undefined })
      expect(results).toEqual([1, 3])
      expect(letters.map(({ record }) => record).toSorted()).toEqual(['2', '4'])
      for (const letter of letters) {
        expect(letter).toMatchObject({ code: 'MR_USER_FUNCTION', operator: 'tested', topic: null, value: null })
        expect(letter.error).toContain(`${letter.record} is even`)
      }
      expect(status.metrics.deadLetters).toBe(2)
    }
  })
})

test('in the task of the source a dead letter has the place there, behind an exchange the key and the record', async () => {
  const chained = await run((numbers) => numbers.map(odd))
  expect(chained.letters[0]).toMatchObject({ place: 'split 0', record: '2', recordKey: null, timestamp: 2 })
  const exchanged = await run(
    (numbers) => numbers.keyBy((value) => `key ${value % 2}`).reduce((left, right) => odd(right) + left),
    { parallelism: 2 },
  )
  expect(exchanged.letters[0]).toMatchObject({
    place: 'operator "tested"',
    record: '4',
    recordKey: '"key 0"',
    timestamp: 4,
  })
})

test('a record that throws half way emits nothing, and side outputs keep their order with the others', async () => {
  const noticed = outputTag<number>('noticed')
  const [results, notices] = [collectingSink<number>(), collectingSink<number>()]
  await using cluster = startTestCluster()
  await cluster.run((env) => {
    const tested = env
      .fromCollection([1, 2, 3])
      .process<number>({
        processElement(value, context, out) {
          out.collect(value)
          context.output(noticed, value)
          odd(value)
          out.collect(value * 10)
        },
      })
      .deadLetters(refused)
    tested.sinkTo(results, 'results')
    tested.getSideOutput(noticed).sinkTo(notices, 'notices')
  })
  expect(results.records).toEqual([1, 10, 3, 30])
  expect(notices.records).toEqual([1, 3])
})

test('an error of a later operator is not diverted, also where the function before it emits by a collector', async () => {
  const { state, error } = await run((numbers) =>
    numbers
      .process<number>({ processElement: (value, _context, out) => out.collect(value) })
      .name('before')
      .deadLetters(outputTag<DeadLetter>('before'))
      .map(odd)
      .name('failing')
      .process<number>({ processElement: (value, _context, out) => out.collect(value) }),
  )
  expect(state).toBe('FAILED')
  expect(error).toMatchObject({ code: 'MR_USER_FUNCTION', operator: 'failing' })
})

test('timers and windows that throw are dead letters with their key, and the others fire', async () => {
  const timers = await run((numbers) => numbers.keyBy((value) => value).process(timerThat((key) => odd(key))))
  expect(timers.results).toEqual([1, 3])
  expect(timers.letters.map(({ record, recordKey }) => [record, recordKey])).toEqual([
    [null, '2'],
    [null, '4'],
  ])
  for (const assigner of [TumblingEventTimeWindows.of(10), EventTimeSessionWindows.withGap(2)]) {
    const windows = await run((numbers) =>
      numbers
        .keyBy((value) => value)
        .window(assigner)
        .process<number>({ process: (key, _context, _elements, out) => out.collect(odd(key)) }),
    )
    expect(windows.results).toEqual([1, 3])
    expect(windows.letters.map(({ recordKey }) => recordKey).toSorted()).toEqual(['2', '4'])
  }
  // Fires from slices (R35), and would combine before the exchange (R34).
  const sliced = await run(
    (numbers) =>
      numbers
        .keyBy((value) => value)
        .window(SlidingEventTimeWindows.of(20, 10))
        .aggregate(count(), {
          process: (key, _context, _counts, out: Collector<number>) => out.collect(odd(key)),
        }),
    { parallelism: 2 },
  )
  expect(sliced.results).toEqual([1, 1, 3, 3])
  expect(sliced.letters.map(({ recordKey }) => recordKey).toSorted()).toEqual(['2', '2', '4', '4'])
})

test('what can be no key makes a dead letter, also where its record has to go through an exchange (R36)', async () => {
  const keys = await run(
    (numbers) => numbers.keyBy((value) => (value === 3 ? Number.NaN : value)).reduce((left) => left),
    {
      parallelism: 2,
    },
  )
  expect(keys.results).toEqual([1, 2, 4])
  expect(keys.letters).toMatchObject([{ code: 'MR_KEY', record: '3', recordKey: null }])
})

test('an asynchronous function that gives nothing in time makes a dead letter', async () => {
  const { results, letters } = await run((numbers) =>
    AsyncDataStream.orderedWait(
      numbers,
      (value) => (value === 2 ? new Promise<never>(() => {}) : Promise.resolve([value])),
      { timeout: '1s' },
    ),
  )
  expect(results).toEqual([1, 3, 4])
  expect(letters).toMatchObject([{ code: 'MR_ASYNC_TIMEOUT', record: '2', operator: 'tested' }])
})

test('records that a sink refuses are dead letters; what the sink can not store still fails the job', async () => {
  const stored: number[] = []
  const letters = collectingSink<DeadLetter>()
  const sink: Sink<number> = {
    connector: 'strict',
    deliveryGuarantee: 'none',
    createWriter: () => ({
      writable: true,
      write: (value) => void stored.push(odd(value)),
      prepareCommit: async () => [],
      commit: async () => {},
      close: async () => {},
    }),
  }
  await using cluster = startTestCluster()
  const build: JobBuilder = (env) => {
    const written: DataStreamSink = env.fromCollection([1, 2, 3]).sinkTo(sink, 'written').deadLetters(refused)
    written.getSideOutput(refused).sinkTo(letters, 'letters')
  }
  expect(await cluster.run(build)).toMatchObject({ state: 'FINISHED' })
  expect(stored).toEqual([1, 3])
  expect(letters.records).toMatchObject([{ code: 'MR_SINK_RECORD', operator: 'written', record: '2' }])
})

describe('the budget', () => {
  test('fails the job at once when there are more dead letters than its count', async () => {
    expect(await run((numbers) => numbers.map(odd), { options: { budget: { count: 2 } } })).toMatchObject({
      state: 'FINISHED',
    })
    const { state, error } = await run((numbers) => numbers.map(odd), { options: { budget: { count: 1 } } })
    expect(state).toBe('FAILED')
    expect(error).toMatchObject({ code: 'MR_DEAD_LETTER_BUDGET', operator: 'tested' })
    expect(error?.message).toContain('2 dead letters, allowed are 1; the last one: map of operator "tested" threw')
  })

  test('holds for a share of the last records, not of all', async () => {
    const options = (share: number): DeadLetterOptions => ({ budget: { share, of: 2 } })
    expect((await run((numbers) => numbers.map(odd), { options: options(0.5) })).state).toBe('FINISHED')
    const { error } = await run((numbers) => numbers.map((value) => odd(value * 2)), { options: options(0.5) })
    expect(error?.message).toContain('2 dead letters within the last 2 records, allowed is a share of 0.5')
  })

  test.each([
    [{ count: -1 }, 'the budget is -1'],
    [{ share: 0, of: 10 }, 'the share of the budget is 0'],
    [{ share: 0.5, of: 0 }, 'the records of the budget is 0'],
  ])('is refused where it is out of range: %j', async (budget, message) => {
    await expect(run((numbers) => numbers.map(odd), { options: { budget } })).rejects.toThrow(message)
  })
})

test('dead letters count once through a failure and a restart', async () => {
  const [results, letters] = [collectingSink<number>(), collectingSink<DeadLetter>()]
  await using cluster = startTestCluster()
  const result = await cluster.run((env) => {
    env.enableCheckpointing('10ms')
    const source = scriptedSource([[1, 2, 3, FAIL, 4, 5]], { recordsAtOnce: 1, interval: '8ms' })
    const tested = env.fromSource(source, noWatermarks, 'numbers').map(odd).deadLetters(refused)
    tested.sinkTo(results, 'results')
    tested.getSideOutput(refused).sinkTo(letters, 'letters')
  })
  expect(result).toMatchObject({ state: 'FINISHED', restarts: 1 })
  expect(results.records).toEqual([1, 3, 5])
  expect(letters.records.map(({ record }) => record)).toEqual(['2', '4'])
})

function passOn(): KeyedProcessFunction<number, number, number> {
  return { processElement: (value, _context, out) => out.collect(value) }
}

function timerThat(fire: (key: number) => number): KeyedProcessFunction<number, number, number> {
  let seen: ValueState<number>
  return {
    open(context) {
      seen = context.valueState(valueStateDescriptor<number>('seen'))
    },
    processElement(value, context) {
      seen.update(value)
      context.timers.registerEventTimeTimer(context.timestamp)
    },
    onTimer(_timestamp, context, out) {
      out.collect(fire(context.key))
    },
  }
}
