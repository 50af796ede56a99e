import {
  CountTrigger,
  type DeadLetter,
  type Evictor,
  GlobalWindows,
  outputTag,
  PurgingTrigger,
  type TaggedRecord,
} from 'millrace'
import { collectingSink, startTestCluster } from 'millrace/testing'
import { expect, test } from 'vitest'

test('a window join fires as its trigger says', async () => {
  await using cluster = startTestCluster()
  const pairs = await cluster.runAndCollect((env) =>
    env
      .fromCollection(['a1', 'a2'])
      .join(env.fromCollection(['a3', 'a4']).name('right'))
      .where((value) => value.slice(0, 1))
      .equalTo((value) => value.slice(0, 1))
      .window(GlobalWindows.create())
      .trigger(PurgingTrigger.of(CountTrigger.of(4)))
      .apply((left, right) => left + right),
  )
  expect(pairs.toSorted()).toEqual(['a1a3', 'a1a4', 'a2a3', 'a2a4'])
})

test.each(['join', 'coGroup'] as const)('the evictor of a %s sees the records of both streams', async (kind) => {
  await using cluster = startTestCluster()
  const results = await cluster.runAndCollect((env) => {
    const left = env.fromCollection(['a1', 'a2', 'a5'])
    const right = env.fromCollection(['a3', 'a4']).name('right')
    const keyOf = (value: string): string => value.slice(0, 1)
    const small: Evictor<TaggedRecord<string, string>> = {
      evictBefore: (elements) =>
        elements.filter(({ value }) => (value.isLeft ? value.left !== 'a2' : value.right !== 'a3')),
      evictAfter: () => [],
    }
    const fires = CountTrigger.of(5)
    if (kind === 'join') {
      const windows = left.join(right).where(keyOf).equalTo(keyOf).window(GlobalWindows.create())
      return windows
        .trigger(fires)
        .evictor(small)
        .apply((one, other) => one + other)
    }
    const windows = left.coGroup(right).where(keyOf).equalTo(keyOf).window(GlobalWindows.create())
    return windows
      .trigger(fires)
      .evictor(small)
      .apply<string>({ coGroup: (lefts, rights, out) => out.collect([...lefts, '', ...rights].join(' ')) })
  })
  expect(results.toSorted()).toEqual(kind === 'join' ? ['a1a4', 'a5a4'] : ['a1 a5  a4'])
})

test('records of either input become dead letters, with the key of their own stream', async () => {
  await using cluster = startTestCluster()
  const letters = collectingSink<DeadLetter>()
  const refused = outputTag<DeadLetter>('refused')
  const results = await cluster.runAndCollect((env) => {
    const checked = env
      .fromCollection([1, 2, -1])
      .connect(env.fromCollection(['one', '', 'two']).name('texts'))
      .keyBy(
        (value) => String(value),
        (text) => text,
      )
      .process<string>({
        processElement1(value, _context, out) {
          if (value < 0) throw new Error('negative')
          out.collect(`${value}`)
        },
        processElement2(text, _context, out) {
          out.collect(text)
          if (text === '') throw new Error('empty')
        },
      })
      .deadLetters(refused)
    checked.getSideOutput(refused).sinkTo(letters, 'letters')
    return checked
  })
  expect(results.toSorted()).toEqual(['1', '2', 'one', 'two'])
  expect(letters.records.map(({ record, recordKey }) => [record, recordKey]).toSorted()).toEqual([
    ['""', '""'],
    ['-1', '"-1"'],
  ])
})
