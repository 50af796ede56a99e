import {
  type JobBuilder,
  type KeyedProcessFunction,
  type ListState,
  listStateDescriptor,
  WatermarkStrategy,
} from 'millrace'
import { double, long, record } from 'millrace/formats'
import { collectingSink, scriptedSource, startTestCluster, type TestJob } from 'millrace/testing'
import { expect, test } from 'vitest'
import { turn } from '../../../src/task/turn.ts'

interface Reading {
  readonly id: number
  readonly key: number
}

const keys = 3000
const records = 18_000
const readingType = record({ id: long(), key: long() }, { name: 'Reading' })
const noWatermarks = WatermarkStrategy.noWatermarks()

/** Remembers the ids of each key, and gives their number and the first one. */
function remembered(declared: boolean): KeyedProcessFunction<number, Reading, string> {
  let ids: ListState<number>
  return {
    open(context) {
      ids = context.listState(listStateDescriptor<number>('ids', declared ? long() : { kind: 'untyped' }))
    },
    processElement({ id }, { key }, out) {
      ids.add(id)
      const all = ids.get()
      out.collect(`list ${key}: ${all.length} from ${all[0]}`)
    },
  }
}

function manyKeys(declared: boolean, sink: ReturnType<typeof collectingSink<string>>): JobBuilder {
  const script = Array.from({ length: records }, (_, id): Reading => ({ id, key: (id * 7) % keys }))
  const halves = [script.filter(({ id }) => id % 2 === 0), script.filter(({ id }) => id % 2 === 1)]
  const type = declared ? { type: readingType } : {}
  const source = scriptedSource(halves, { recordsAtOnce: 100, interval: '1ms', ...type })
  return (env) => {
    env.enableCheckpointing('15ms').setParallelism(2)
    const readings = env.fromSource(source, noWatermarks, 'readings')
    const byKey = readings.keyBy(({ key }) => key)
    byKey
      .aggregate(
        {
          createAccumulator: () => ({ count: 0, first: -1 }),
          add(accumulator, { id }) {
            if (accumulator.count === 0) accumulator.first = id
            accumulator.count += 1
            return accumulator
          },
          getResult: ({ count, first }) => ({ count, first }),
          ...(declared ? { accumulatorType: record({ count: double(), first: double() }, { name: 'Kept' }) } : {}),
        },
        { withKey: (key, { count, first }) => `sum ${key}: ${count} from ${first}` },
      )
      .sinkTo(sink, 'sums')
    byKey.process(remembered(declared)).sinkTo(sink, 'lists')
  }
}

/** Of each key's records in their order: both splits hold all records of their keys, since keys are as even as ids. */
function expectedTexts(): readonly string[] {
  const first = new Map<number, { id: number; count: number }>()
  return Array.from({ length: records }, (_, id) => {
    const key = (id * 7) % keys
    const known = first.get(key) ?? { id, count: 0 }
    first.set(key, known)
    known.count++
    return [`sum ${key}: ${known.count} from ${known.id}`, `list ${key}: ${known.count} from ${known.id}`]
  })
    .flat()
    .toSorted()
}

test.each([
  ['untyped', 1],
  ['untyped', 2],
  ['declared', 1],
  ['declared', 2],
])(
  'state that is written out in many slices while it changes is what it was at the barrier (R6), %s, seed %i',
  async (types, seed) => {
    const sink = collectingSink<string>()
    const build = manyKeys(types === 'declared', sink)
    await using cluster = startTestCluster({ batchesPerTurn: 1, interleaving: 'random', seed })
    let running: TestJob = await cluster.start(build)
    for (let crash = 1; crash <= 4; crash++) {
      const { completed } = running.status().checkpoints
      // Time passes however busy the slots are: records go on while the state is written out.
      for (let turns = 0; turns < 2000 && running.status().checkpoints.completed < completed + 2; turns++) {
        cluster.time.move(1)
        await turn()
      }
      const before = running
      cluster.crash()
      running = await cluster.start(build, { from: before })
    }
    expect(await running.result()).toMatchObject({ state: 'FINISHED', error: undefined })
    expect(sink.records.toSorted()).toEqual(expectedTexts())
  },
  20_000,
)
