import {
  type KeyedBroadcastProcessFunction,
  type KeyedCoProcessFunction,
  listStateDescriptor,
  type MapState,
  mapStateDescriptor,
  type ValueState,
  valueStateDescriptor,
} from 'millrace'
import { double } from 'millrace/formats'
import { OperatorHarness } from 'millrace/testing'
import { expect, test } from 'vitest'
import type { IntervalJoinSpec } from '../../../../src/graph/operator-spec.ts'
import { errorOf } from '../../api/error-of.ts'

const values = (harness: { readonly output: readonly { readonly value: unknown }[] }): unknown[] =>
  harness.output.map(({ value }) => value)

test('map and flatMap of connected streams tell their inputs apart', async () => {
  const mapped = await OperatorHarness.of<number, string, string>({
    kind: 'coMap',
    functions: { map1: (value) => `one ${value}`, map2: (value) => `two ${value}` },
  })
  mapped.processElement(1, 5)
  mapped.processElement2('b', 6)
  expect(mapped.output).toEqual([
    { value: 'one 1', timestamp: 5 },
    { value: 'two b', timestamp: 6 },
  ])
  const flat = await OperatorHarness.of<number, unknown, number>({
    kind: 'coFlatMap',
    functions: { flatMap1: (value) => [value, value], flatMap2: () => [] },
  })
  flat.processElement(1)
  flat.processElement2(2)
  expect(values(flat)).toEqual([1, 1])
})

test('what a function of the second input throws names that function', async () => {
  const harness = await OperatorHarness.of<number, unknown, number>({
    kind: 'coMap',
    functions: {
      map1: (value) => value,
      map2: () => {
        throw new Error('boom')
      },
    },
  })
  expect(() => harness.processElement2(1)).toThrow('map2 of operator "tested" threw Error: boom')
})

function latest(): KeyedCoProcessFunction<string, { readonly user: string }, readonly [string, string], string> {
  let name: ValueState<string>
  return {
    open(context) {
      name = context.valueState(valueStateDescriptor<string>('name'))
    },
    processElement1(order, context, out) {
      out.collect(`${order.user} is ${name.value()}`)
      context.timers.registerEventTimeTimer(100)
    },
    processElement2([, value]) {
      name.update(value)
    },
    onTimer(timestamp, context, out) {
      out.collect(`${context.key} at ${timestamp}`)
      name.clear()
    },
  }
}

test('both inputs of a keyed co-process function share state and timers, through a restart at another parallelism', async () => {
  const keys = [(order: { readonly user: string }) => order.user, ([user]: readonly [string, string]) => user] as const
  const first = await OperatorHarness.keyedCoProcess(latest(), keys)
  for (const user of ['ada', 'bob', 'cyd', 'dan']) first.processElement2([user, user.toUpperCase()], 1)
  first.processElement({ user: 'ada' }, 2)
  expect(values(first)).toEqual(['ada is ADA'])
  const snapshot = await first.snapshot()
  const got: unknown[] = []
  for (let subtaskIndex = 0; subtaskIndex < 3; subtaskIndex++) {
    const restored = await OperatorHarness.keyedCoProcess(latest(), keys, {
      restore: snapshot,
      subtaskIndex,
      parallelism: 3,
    })
    for (const user of ['ada', 'bob', 'cyd', 'dan']) {
      if (restored.owns(user)) restored.processElement({ user }, 3)
    }
    restored.processWatermark(100)
    got.push(...values(restored))
  }
  expect(got.toSorted()).toEqual([
    'ada at 100',
    'ada is ADA',
    'bob at 100',
    'bob is BOB',
    'cyd at 100',
    'cyd is CYD',
    'dan at 100',
    'dan is DAN',
  ])
})

const rules = mapStateDescriptor<string | number | bigint, { readonly factor: number }>('rules')
const seen = valueStateDescriptor('seen', double())
const names = listStateDescriptor<string>('names')

/** Sums up values by the factor of a rule; a broadcast 'report' emits all sums and halves them. */
function summed(): KeyedBroadcastProcessFunction<string, readonly [string, number], string, string> {
  let sum: ValueState<number>
  return {
    open(context) {
      sum = context.valueState(seen)
      context.listState(names)
    },
    processElement([, value], context) {
      const factor = context.broadcastState(rules).get('all')?.factor ?? 1
      sum.update((sum.value() ?? 0) + value * factor)
    },
    processBroadcastElement(command, context, out) {
      if (command !== 'report') context.broadcastState(rules).put('all', { factor: Number(command) })
      else {
        context.applyToKeyedState(seen, (key, state) => {
          out.collect(`${key} ${state.value()}`)
          state.update((state.value() ?? 0) / 2)
        })
        context.applyToKeyedState(names, () => out.collect('no key has names'))
      }
    },
  }
}

const byName = ([name]: readonly [string, number]): string => name

test('the broadcast side reaches keyed state of every key, and each new subtask takes a copy of the broadcast state', async () => {
  const first = await OperatorHarness.keyedBroadcastProcess(summed(), [rules], { keySelector: byName })
  first.processElement(['ada', 1])
  first.processElement2('10')
  for (const name of ['ada', 'bob', 'cyd']) first.processElement([name, 2])
  first.processElement2('report')
  expect(values(first).toSorted()).toEqual(['ada 21', 'bob 20', 'cyd 20'])
  const snapshot = await first.snapshot()
  const got: unknown[] = []
  const snapshots = []
  for (let subtaskIndex = 0; subtaskIndex < 4; subtaskIndex++) {
    const options = { keySelector: byName, restore: snapshot, subtaskIndex, parallelism: 4 }
    const restored = await OperatorHarness.keyedBroadcastProcess(summed(), [rules], options)
    for (const name of ['ada', 'bob', 'cyd', 'dan']) if (restored.owns(name)) restored.processElement([name, 1])
    restored.processElement2('report')
    got.push(...values(restored))
    snapshots.push(await restored.snapshot())
  }
  expect(got.toSorted()).toEqual(['ada 20.5', 'bob 20', 'cyd 20', 'dan 10'])
  const last = await OperatorHarness.keyedBroadcastProcess(summed(), [rules], {
    keySelector: byName,
    restore: snapshots,
  })
  last.processElement(['eve', 1])
  last.processElement2('report')
  expect(values(last).toSorted()).toEqual(['ada 10.25', 'bob 10', 'cyd 10', 'dan 5', 'eve 10'])
})

test('keyed state that is used with a broadcast record is refused: there is no current key', async () => {
  let total: ValueState<number>
  let names: MapState<string, number>
  const harness = await OperatorHarness.keyedBroadcastProcess<string, readonly [string, number], string, string>(
    {
      open(context) {
        total = context.valueState(seen)
        names = context.mapState(mapStateDescriptor<string, number>('names'))
      },
      processElement([name, value], _context, out) {
        names.put(name, value)
        total.update((total.value() ?? 0) + value)
        out.collect(`${name} ${total.value()} ${[...names.keys()]}`)
      },
      processBroadcastElement(command, context, out) {
        if (command === 'read') out.collect(`${total.value()}`)
        if (command === 'write') names.put('a', 1)
        // Of the key at hand every state may be used.
        context.applyToKeyedState(seen, (key) => out.collect(`${key} ${total.value()} ${names.get(key)}`))
      },
    },
    [rules],
    { keySelector: byName },
  )
  harness.processElement(['ada', 1])
  for (const command of ['read', 'write']) {
    expect(errorOf(() => harness.processElement2(command))).toMatchObject({
      code: 'MR_NO_CURRENT_KEY',
      operator: expect.any(String),
      message: expect.stringMatching(
        /^processBroadcastElement of operator ".+": keyed state "(seen|names)" was used with/,
      ),
    })
  }
  harness.processElement2('apply')
  harness.processElement(['ada', 1])
  expect(values(harness)).toEqual(['ada 1 ada', 'ada 1 1', 'ada 2 ada'])
})

test('broadcast state keeps its keys apart by type, and is read only on the other side', async () => {
  const start = (restore?: Awaited<ReturnType<OperatorHarness['snapshot']>>) =>
    OperatorHarness.broadcastProcess<string, string | number | bigint, unknown>(
      {
        processElement(_value, context, out) {
          const state = context.broadcastState(rules)
          out.collect([...state.entries()].map(([key]) => key))
          out.collect('put' in state)
        },
        processBroadcastElement(key, context) {
          context.broadcastState(rules).put(key, { factor: 1 })
        },
      },
      [rules],
      restore === undefined ? {} : { restore },
    )
  const first = await start()
  for (const key of ['1', 1, 1n]) first.processElement2(key)
  const restored = await start(await first.snapshot())
  restored.processElement('all')
  expect(values(restored)).toEqual([['1', 1, 1n], false])
})

test('a state that was not broadcast is refused', async () => {
  const harness = await OperatorHarness.broadcastProcess<string, string, string>(
    {
      processElement: (_value, context) => void context.broadcastState(rules),
      processBroadcastElement: () => {},
    },
    [],
  )
  expect(() => harness.processElement('a')).toThrow('broadcast state "rules" was not given to broadcast(…)')
})

const late = { id: 'late', type: { kind: 'untyped' } } as const

function joinSpec(changes: Partial<IntervalJoinSpec>): IntervalJoinSpec {
  return {
    kind: 'intervalJoin',
    lowerBoundMs: -10,
    upperBoundMs: 5,
    process: {
      processElement: (left, right, context, out) => out.collect(`${left}+${right}@${context.timestamp}`),
    },
    secondKeySelector: () => 0,
    leftType: { kind: 'untyped' },
    rightType: { kind: 'untyped' },
    leftLateTag: undefined,
    rightLateTag: undefined,
    ...changes,
  }
}

test('an interval join keeps records no longer than partners can come, and late ones go to their side output', async () => {
  const harness = await OperatorHarness.of<string, string, string>(joinSpec({ rightLateTag: late }), {
    keySelector: () => 0,
  })
  harness.processElement('a', 100)
  harness.processElement2('at-lower', 90)
  harness.processElement2('at-upper', 105)
  harness.processElement2('too-late', 106)
  expect(values(harness)).toEqual(['a+at-lower@100', 'a+at-upper@105'])
  const before = await harness.snapshot()
  harness.processWatermark(200)
  harness.processElement2('behind', 150)
  harness.processElement('behind', 150)
  expect(harness.sideOutput(late)).toEqual([{ value: 'behind', timestamp: 150 }])
  expect(harness.metrics.lateRecordsDropped).toBe(1)
  const restored = await OperatorHarness.of<string, string, string>(joinSpec({}), {
    keySelector: () => 0,
    restore: await harness.snapshot(),
  })
  restored.processElement2('nothing is left', 200)
  expect(values(restored)).toEqual([])
  const earlier = await OperatorHarness.of<string, string, string>(joinSpec({}), {
    keySelector: () => 0,
    restore: before,
  })
  earlier.processElement2('again', 95)
  earlier.processElement('b', 101)
  expect(values(earlier)).toEqual(['a+again@100', 'b+again@101', 'b+at-upper@105', 'b+too-late@106'])
})

test('a record without a timestamp can not be joined by time', async () => {
  const harness = await OperatorHarness.of<string, string, string>(joinSpec({}), { keySelector: () => 0 })
  expect(() => harness.processElement('a')).toThrow('no timestamp')
})

test('what can be no key of a state is refused in the name of the function and its operator', async () => {
  const harness = await OperatorHarness.broadcastProcess<string, number, string>(
    {
      processElement: () => {},
      processBroadcastElement: (key, context) => context.broadcastState(rules).put(key, { factor: 1 }),
    },
    [rules],
  )
  expect(() => harness.processElement2(Number.NaN)).toThrow(
    'processBroadcastElement of operator "tested": A key can not be or hold NaN',
  )
})

test('a record whose pair fails waits for no other partners', async () => {
  const process: IntervalJoinSpec['process'] = {
    processElement(left, right, _context, out) {
      if (left === 'bad' || right === 'bad') throw new Error('no')
      out.collect(`${left}+${right}`)
    },
  }
  const harness = await OperatorHarness.of<string, string, string>(joinSpec({ process }), { keySelector: () => 0 })
  harness.processElement('a', 10)
  expect(() => harness.processElement2('bad', 11)).toThrow('no')
  harness.processElement('b', 12)
  harness.processElement2('c', 12)
  expect(values(harness)).toEqual(['a+c', 'b+c'])
})
