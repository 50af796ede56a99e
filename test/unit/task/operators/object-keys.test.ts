import { expect, test } from 'vitest'
import type { Key, KeyedProcessFunction, ProcessWindowFunction } from '../../../../src/api/functions.ts'
import type { OperatorSpec, WindowAssigner } from '../../../../src/graph/operator-spec.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'

type Click = readonly [user: string, page: number]

/** Gives the same tuple for every record, changed: allowed, since a key is only looked at while it is current. */
function reusingSelector(): (click: Click) => Key {
  const tuple: Key[] = ['', 0]
  return ([user, page]) => {
    tuple[0] = user
    tuple[1] = page
    return tuple
  }
}

const keysOut: ProcessWindowFunction<Click, Key, Key> = {
  process(key, _context, elements, out) {
    seen.push(elements.length)
    out.collect(key)
  },
}
/** Records in each window that fired. */
const seen: number[] = []

function windowOf(assigner: WindowAssigner, allowedLatenessMs: number): OperatorSpec {
  return {
    kind: 'window',
    assigner,
    allowedLatenessMs,
    lateTag: undefined,
    compute: {
      kind: 'process',
      type: { kind: 'untyped' },
      process: keysOut as ProcessWindowFunction<unknown, unknown, Key>,
    },
  }
}

const tumbling: WindowAssigner = { kind: 'tumbling', sizeMs: 10, offsetMs: 0 }
const session: WindowAssigner = { kind: 'session', gapMs: 10 }
const windows = [
  ['tumbling', tumbling],
  ['session', session],
] as const

test.each(windows)('%s windows keep keys that their selector reuses', async (_, assigner) => {
  const harness = await OperatorHarness.of<Click, Key>(windowOf(assigner, 0), { keySelector: reusingSelector() })
  harness.processElement(['a', 1], 0)
  harness.processElement(['b', 2], 0)
  harness.processWatermark(20)
  expect(harness.output.map(({ value }) => value).sort()).toEqual([
    ['a', 1],
    ['b', 2],
  ])
})

test.each(windows)('keys that %s windows emit do not alias state (R7)', async (_, assigner) => {
  const keySelector = ([user, page]: Click): Key => [user, page]
  const harness = await OperatorHarness.of<Click, Key>(windowOf(assigner, 100), { keySelector })
  harness.processElement(['a', 1], 0)
  harness.processWatermark(20)
  changeAll(harness)
  const restore = await harness.snapshot()
  const restored = await OperatorHarness.of<Click, Key>(windowOf(assigner, 100), { keySelector, restore })
  seen.length = 0
  restored.processElement(['a', 1], 0)
  // The record before is found by its key.
  expect(seen).toEqual([2])
})

test('a key that a timer emits does not alias its tombstone (R7, R8)', async () => {
  const timers: KeyedProcessFunction<Key, Click, Key> = {
    processElement: (_click, context) => context.timers.registerEventTimeTimer(10),
    onTimer: (_timestamp, context, out) => out.collect(context.key),
  }
  const keySelector = ([user, page]: Click): Key => [user, page]
  const harness = await OperatorHarness.keyedProcess(timers, keySelector)
  harness.processElement(['a', 1], 0)
  await harness.snapshot()
  harness.processWatermark(10)
  changeAll(harness)
  const restored = await OperatorHarness.keyedProcess(timers, keySelector, { restore: await harness.snapshot() })
  restored.processWatermark(20)
  expect(restored.output).toEqual([])
})

/** As a later operator does that takes what it gets for its own. */
function changeAll(harness: OperatorHarness<Click, Key>): void {
  for (const { value } of harness.output.splice(0)) (value as Key[])[0] = 'changed'
}
