import {
  AsyncDataStream,
  type AsyncOptions,
  type JobBuilder,
  TumblingEventTimeWindows,
  WatermarkStrategy,
} from 'millrace'
import { collectingSink, FAIL, PAUSE, scriptedSource, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

const noWatermarks = WatermarkStrategy.noWatermarks()
const ascending = WatermarkStrategy.forMonotonousTimestamps().withTimestamps((at: number) => at)
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const numbers = (from: number, to: number): number[] => upTo(to - from + 1).map((index) => from - 1 + index)

test.each(['orderedWait', 'unorderedWait'] as const)(
  'records in flight at a checkpoint come out once, by %s, through a failure and a crash with another parallelism (I2)',
  async (kind) => {
    const sink = collectingSink<number>()
    await using cluster = startTestCluster()
    const build =
      (parallelism: number, script: readonly (number | typeof FAIL)[]): JobBuilder =>
      (env) => {
        env.enableCheckpointing('20ms')
        const source = scriptedSource([script, numbers(101, 150)], { recordsAtOnce: 3, interval: '7ms' })
        AsyncDataStream[kind](
          env.fromSource(source, noWatermarks, 'numbers').rebalance(),
          async (value) => {
            await cluster.delay((value * 37) % 50)
            return [value, -value]
          },
          { timeout: '10s', capacity: 5 },
        )
          .setParallelism(parallelism)
          .sinkTo(sink)
      }
    const script = [...numbers(1, 20), FAIL, ...numbers(21, 50)]
    const first = await cluster.start(build(2, script))
    await first.until(({ restarts, checkpoints }) => restarts === 1 && checkpoints.completed >= 5)
    cluster.crash()
    const second = await cluster.start(build(3, script), { from: first })
    expect(await second.result()).toMatchObject({ state: 'FINISHED', error: undefined })
    const expected = [...numbers(1, 50), ...numbers(101, 150)].flatMap((value) => [value, -value])
    expect(sink.records.toSorted((left, right) => left - right)).toEqual(
      expected.toSorted((left, right) => left - right),
    )
  },
)

test('results of orderedWait keep the order of their records', async () => {
  await using cluster = startTestCluster()
  const records = await cluster.runAndCollect((env) =>
    AsyncDataStream.orderedWait(
      env.fromCollection(upTo(300)),
      async (value) => {
        await cluster.delay((value * 31) % 40)
        return value % 3 === 0 ? [] : [value]
      },
      { timeout: '1min', capacity: 20 },
    ),
  )
  expect(records).toEqual(upTo(300).filter((value) => value % 3 !== 0))
})

test('at most `capacity` calls are on their way, and no input is read meanwhile but for its batch', async () => {
  let running = 0
  let highest = 0
  await using cluster = startTestCluster()
  const records = await cluster.runAndCollect((env) =>
    AsyncDataStream.unorderedWait(
      env.fromSequence(1, 2000),
      async (value) => {
        running++
        highest = Math.max(highest, running)
        await cluster.delay(3)
        running--
        return [value]
      },
      { timeout: '1min', capacity: 7 },
    ),
  )
  expect(records).toHaveLength(2000)
  expect(highest).toBe(7)
})

test('a barrier does not wait for what is in flight, though the operator is full (R42)', async () => {
  const answers: (() => void)[] = []
  const sink = collectingSink<number>()
  await using cluster = startTestCluster()
  const job = await cluster.start((env) => {
    env.enableCheckpointing('1h')
    AsyncDataStream.orderedWait(
      env.fromSource(scriptedSource([[1, 2, 3, PAUSE, 4]], { recordsAtOnce: 1 }), noWatermarks, 'numbers'),
      async (value) => {
        await new Promise<void>((resolve) => answers.push(resolve))
        return [value]
      },
      { timeout: '1d', capacity: 2 },
    ).sinkTo(sink)
  })
  await job.until(() => answers.length === 2)
  await job.triggerCheckpoint()
  await job.triggerCheckpoint()
  expect(answers).toHaveLength(2)
  job.failSlot()
  // What was in flight is asked again.
  await job.until(({ state, restarts }) => restarts === 1 && state === 'RUNNING' && answers.length === 4)
  const answerAll = (): void => {
    for (const answer of answers.splice(0)) answer()
  }
  await job.until(() => {
    answerAll()
    job.resumeSources()
    return sink.records.length === 4 || job.status().state === 'FINISHED'
  })
  expect(await job.result()).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(sink.records).toEqual([1, 2, 3, 4])
})

test('windows before and behind an asynchronous function are complete: no result comes behind its watermark (R33)', async () => {
  await using cluster = startTestCluster()
  const values = upTo(1200)
  const records = await cluster.runAndCollect((env) => {
    env.setAutoWatermarkInterval(0)
    // Each window of the first kind fires 100 keys at once, into a function that takes 4.
    const keyed = env
      .fromSource(scriptedSource([values], { recordsAtOnce: 50 }), ascending, 'numbers')
      .keyBy((value) => value % 100)
      .window(TumblingEventTimeWindows.of(400))
      .reduce((left, right) => Math.max(left, right))
      .name('before')
    return AsyncDataStream.unorderedWait(
      keyed,
      async (value) => {
        await cluster.delay(value % 17)
        return [value]
      },
      { timeout: '1min', capacity: 4 },
    )
      .keyBy(() => 'all')
      .window(TumblingEventTimeWindows.of(400))
      .process<string>({
        process: (_key, { window }, elements, out) => out.collect(`${window.start}: ${elements.length}`),
      })
      .name('behind')
  })
  expect(records).toEqual(['0: 100', '400: 100', '800: 100', '1200: 1'])
})

test('the stream behind an asynchronous function is idle when its input is, and nothing is in flight (R19)', async () => {
  const windows = collectingSink<string>({ deliveryGuarantee: 'at-least-once' })
  await using cluster = startTestCluster()
  const job = await cluster.start((env) => {
    env.setAutoWatermarkInterval('10ms')
    const quiet = env.fromSource(scriptedSource([[1, PAUSE]]), ascending.withIdleness('100ms'), 'quiet')
    const awaited = AsyncDataStream.orderedWait(
      quiet,
      async (value) => {
        await cluster.delay('500ms')
        return [value]
      },
      { timeout: '1min' },
    )
    awaited
      .union(env.fromSource(scriptedSource([[2, 11, 21, PAUSE]]), ascending, 'busy'))
      .keyBy(() => 'all')
      .window(TumblingEventTimeWindows.of(10))
      .process<string>({ process: (_key, { window }, elements, out) => out.collect(`${window.start}: ${elements}`) })
      .sinkTo(windows)
  })
  await job.until(() => windows.records.length >= 2)
  // 1 held the other stream back until it had come out.
  expect(windows.records[0]?.split(': ')[1]?.split(',').toSorted()).toEqual(['1', '2'])
  expect(windows.records[1]).toBe('10: 11')
  await job.cancel()
})

test('a function that gives nothing in time fails the job, naming operator and record', async () => {
  const { error } = await run(() => new Promise<never>(() => {}), { timeout: '2s' })
  expect(error).toMatchObject({ code: 'MR_ASYNC_TIMEOUT', operator: 'asked' })
  expect(error?.message).toContain('"asked" gave nothing within 2000 ms; the record is {"id":7}')
})

test('onTimeout gives results in place of those that did not come, and the signal aborts', async () => {
  const reasons: unknown[] = []
  const { records } = await run(
    (_value, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise<never>(() => {})
    },
    { timeout: '2s', onTimeout: ({ id }) => [`no answer for ${id}`] },
  )
  expect(records).toEqual(['no answer for 7'])
  expect(reasons).toMatchObject([{ code: 'MR_ASYNC_TIMEOUT' }])
})

test('a rejection fails the job, naming operator and record', async () => {
  const { error } = await run(
    async () => {
      throw new Error('the service said no')
    },
    { timeout: '2s' },
  )
  expect(error).toMatchObject({ code: 'MR_USER_FUNCTION', operator: 'asked' })
  expect(error?.message).toBe(
    'the asynchronous function of operator "asked" threw Error: the service said no; the record is {"id":7}',
  )
})

test('what is no array of results is refused', async () => {
  const { error } = await run((async () => 'text') as never, { timeout: '2s' })
  expect(error?.message).toContain('gave string; it has to give an array of results')
})

test('a call is repeated with growing waits, up to its attempts, and only for errors that are worth it', async () => {
  const calls: number[] = []
  await using cluster = startTestCluster()
  const retry = {
    maxAttempts: 4,
    backoff: { type: 'exponential', initialDelay: '1s', maxDelay: '3s' },
    retryOn: (error: unknown) => (error as Error).message === 'busy',
  } as const
  const build =
    (message: string): JobBuilder =>
    (env) => {
      env.setRestartStrategy({ type: 'none' })
      AsyncDataStream.orderedWait(
        env.fromCollection(['record']),
        async () => {
          calls.push(cluster.now)
          throw new Error(message)
        },
        { timeout: '1min', retry },
      ).print()
    }
  expect((await cluster.run(build('busy'))).error?.message).toContain('threw Error: busy')
  const start = calls[0] ?? Number.NaN
  expect(calls.map((time) => time - start)).toEqual([0, 1000, 3000, 6000])
  calls.length = 0
  expect((await cluster.run(build('wrong'))).error?.message).toContain('threw Error: wrong')
  expect(calls).toHaveLength(1)
})

test('results may be retried too, and the last ones are taken', async () => {
  const attempts: number[] = []
  const { records } = await run(
    async (_value, { attempt }) => {
      attempts.push(attempt)
      return []
    },
    {
      timeout: '1min',
      retry: {
        maxAttempts: 3,
        backoff: { type: 'fixed', delay: 5 },
        retryOnResults: (results) => results.length === 0,
      },
    },
  )
  expect(attempts).toEqual([1, 2, 3])
  expect(records).toEqual([])
})

test('the time limit holds over all retries', async () => {
  const { error } = await run(
    async () => {
      throw new Error('busy')
    },
    { timeout: '10s', retry: { maxAttempts: 100, backoff: { type: 'fixed', delay: '3s' } } },
  )
  expect(error?.message).toContain('gave nothing within 10000 ms in 4 attempts')
})

test('the signals of calls in flight abort when the job is cancelled', async () => {
  const signals: AbortSignal[] = []
  await using cluster = startTestCluster()
  const job = await cluster.start((env) => {
    AsyncDataStream.unorderedWait(
      env.fromSequence(1, 3),
      (_value, { signal }) => {
        signals.push(signal)
        return new Promise<never>(() => {})
      },
      { timeout: '1d' },
    ).print()
  })
  await job.until(() => signals.length === 3)
  expect(await job.cancel()).toMatchObject({ state: 'CANCELED' })
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true])
})

test('a bounded job ends only when everything has come out, and its sink has committed (R12)', async () => {
  const sink = collectingSink<number>()
  await using cluster = startTestCluster()
  const result = await cluster.run((env) => {
    env.enableCheckpointing('1s')
    const slow = (value: number): Promise<readonly number[]> => cluster.delay('90s').then(() => [value])
    const options = { timeout: '5min', capacity: 10 }
    const first = AsyncDataStream.unorderedWait(env.fromSequence(1, 30), slow, options).name('first')
    AsyncDataStream.orderedWait(first, slow, options).name('second').setParallelism(2).sinkTo(sink)
  })
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(sink.records.toSorted((left, right) => left - right)).toEqual(upTo(30))
})

interface Asked {
  readonly id: number
}

async function run(
  invoke: Parameters<typeof AsyncDataStream.orderedWait<Asked, string>>[1],
  options: AsyncOptions<Asked, string>,
) {
  const sink = collectingSink<string>()
  await using cluster = startTestCluster()
  const { error } = await cluster.run((env) => {
    env.setRestartStrategy({ type: 'none' })
    AsyncDataStream.orderedWait(env.fromCollection<Asked>([{ id: 7 }]), invoke, options)
      .name('asked')
      .sinkTo(sink)
  })
  return { error, records: sink.records }
}
