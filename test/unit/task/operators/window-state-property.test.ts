import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { count } from '../../../../src/api/aggregates.ts'
import {
  aggregatingStateDescriptor,
  listStateDescriptor,
  mapStateDescriptor,
  reducingStateDescriptor,
  valueStateDescriptor,
} from '../../../../src/api/descriptors.ts'
import type {
  Key,
  KeyedStateStore,
  ProcessWindowContext,
  ProcessWindowFunction,
} from '../../../../src/api/functions.ts'
import type { OnMergeContext, Trigger, TriggerContext } from '../../../../src/api/triggers.ts'
import { triggerOf } from '../../../../src/api/window-settings.ts'
import { long } from '../../../../src/formats/types.ts'
import type { OperatorSpec, WindowAssigner, WindowComputation } from '../../../../src/graph/operator-spec.ts'
import { assigners, evictorCases, evictorFor, steps, triggerCases, triggerFor } from './support/general-window-cases.ts'
import { type GeneralCase, type GeneralStep, referenceOf } from './support/general-window-reference.ts'
import { disturbances, run } from './support/scenario.ts'
import { latenesses } from './support/window-computations.ts'
import type { Item } from './support/window-reference.ts'

const lastOf = valueStateDescriptor<{ readonly n: number }>('value')
const declaredOf = valueStateDescriptor('declared', long())
const listOf = listStateDescriptor<number>('list')
const mapOf = mapStateDescriptor<number, { readonly n: number }>('map')
const sumOf = reducingStateDescriptor<{ n: number }>('sum', (left, right) => {
  left.n += right.n
  return left
})
const countOf = aggregatingStateDescriptor('count', count())

/** Counts in state of every kind. undefined: the kinds do not agree. */
function counted(state: KeyedStateStore): number | undefined {
  const n = (state.valueState(lastOf).value()?.n ?? 0) + 1
  state.valueState(lastOf).update({ n })
  state.valueState(declaredOf).update((state.valueState(declaredOf).value() ?? 0) + 1)
  state.listState(listOf).add(n)
  state.mapState(mapOf).put(n, { n })
  if (n > 2) state.mapState(mapOf).remove(n - 2)
  state.reducingState(sumOf).add({ n: 1 })
  state.aggregatingState(countOf).add(n)
  const entries = [...state.mapState(mapOf).entries()].map(([key, value]) => [key, value.n])
  const agree =
    state.valueState(declaredOf).value() === n &&
    state.listState(listOf).get().length === n &&
    state.reducingState(sumOf).get()?.n === n &&
    state.aggregatingState(countOf).get() === n &&
    state.mapState(mapOf).has(n) &&
    JSON.stringify(entries.toSorted()) ===
      JSON.stringify(
        n === 1
          ? [[1, 1]]
          : [
              [n - 1, n - 1],
              [n, n],
            ].toSorted(),
      )
  return agree ? n : undefined
}

function cleared(state: KeyedStateStore): void {
  state.valueState(lastOf).clear()
  state.valueState(declaredOf).clear()
  state.listState(listOf).clear()
  state.mapState(mapOf).clear()
  state.reducingState(sumOf).clear()
  state.aggregatingState(countOf).clear()
}

type Emitted = readonly [key: string, start: number, ordinal: number | undefined, ofKey: number | undefined]

const compute: WindowComputation = {
  kind: 'process',
  type: { kind: 'untyped' },
  process: {
    process(key, context, _elements, out) {
      out.collect([key, context.window.start, counted(context.windowState), counted(context.globalState)])
    },
    clear: (context: ProcessWindowContext) => cleared(context.windowState),
  } as ProcessWindowFunction<unknown, unknown, Key>,
}

const aligned = Object.keys(assigners).filter((kind) => !kind.includes('session'))

describe.each(aligned)('State of %s windows', (kind) => {
  test('counts the firings of each window and key, through checkpoints and restarts', async () => {
    const given: fc.Arbitrary<GeneralCase> = fc.record({
      assigner: assigners[kind] as fc.Arbitrary<WindowAssigner>,
      allowedLatenessMs: latenesses,
      trigger: triggerCases,
      purging: fc.boolean(),
      evictor: evictorCases,
    })
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    await fc.assert(
      fc.asyncProperty(given, all, async (one, [made, disturbed]) => {
        const { assigner, allowedLatenessMs } = one
        const evictor = evictorFor(one.evictor)
        const trigger = triggerOf({ assigner, trigger: triggerFor(one), evictor }, compute)
        const outputs = await run<GeneralStep, Item, Emitted>({
          spec: (): OperatorSpec => ({
            kind: 'window',
            assigner,
            allowedLatenessMs,
            lateTag: undefined,
            trigger,
            evictor,
            compute,
          }),
          options: { keySelector: ({ key }) => key, maxFirings: 2 },
          steps: made,
          disturbed,
          apply: (group, step) => {
            group.advanceProcessingTime(step.now)
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            if (step.type === 'record') group.processElement(step.value, step.timestamp)
          },
        })
        const expected = referenceOf(one, made)
        const ofKey = new Map<string, number>()
        made.forEach((_, index) => {
          const emitted = (outputs[index]?.main ?? []).map(({ value }) => value)
          const firings = expected.firings[index] ?? []
          expect(emitted.map(([key, start, ordinal]) => `${key} ${start} ${ordinal}`).toSorted()).toEqual(
            firings.map(({ key, start, ordinal }) => `${key} ${start} ${ordinal}`).toSorted(),
          )
          for (const [key, , , counted] of emitted) {
            ofKey.set(key, (ofKey.get(key) ?? 0) + 1)
            expect(counted).toBe(ofKey.get(key))
          }
        })
      }),
      { numRuns: 60 },
    )
  })
})

const all = [listOf, sumOf, countOf] as const

/** Fires at every second record of a session, and says in state of each kind that merges how many it has seen. */
const everySecond: Trigger<Item> = {
  onElement(_item, _timestamp, window, context) {
    context.registerEventTimeTimer(window.end - 1)
    const state = context.partitionedState
    state.listState(listOf).add(1)
    state.reducingState(sumOf).add({ n: 1 })
    state.aggregatingState(countOf).add(1)
    const seen = seenBy(context)
    if (seen < 2) return 'CONTINUE'
    clearAll(context)
    return 'FIRE'
  },
  onEventTime: () => 'CONTINUE',
  onProcessingTime: () => 'CONTINUE',
  onMerge(window, context: OnMergeContext) {
    for (const descriptor of all)
      context.mergePartitionedState<number | { n: number }, never, unknown>(descriptor as never)
    context.registerEventTimeTimer(window.end - 1)
  },
  clear(window, context) {
    clearAll(context)
    context.deleteEventTimeTimer(window.end - 1)
  },
}

function seenBy({ partitionedState: state }: TriggerContext): number {
  const length = state.listState(listOf).get().length
  if (state.reducingState(sumOf).get()?.n !== length || state.aggregatingState(countOf).get() !== length)
    return Infinity
  return length
}

function clearAll({ partitionedState: state }: TriggerContext): void {
  state.listState(listOf).clear()
  state.reducingState(sumOf).clear()
  state.aggregatingState(countOf).clear()
}

test.each(['session', 'dynamic session', 'processing-time session'])(
  'State of a trigger goes along when windows grow together: %s',
  async (kind) => {
    const inputs = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    const elements: WindowComputation = {
      kind: 'process',
      type: { kind: 'untyped' },
      process: {
        process: (key, { window }, items, out) =>
          out.collect(`${key} ${window.start} ${window.end} ${items.map((item) => (item as Item).id).toSorted()}`),
      },
    }
    await fc.assert(
      fc.asyncProperty(assigners[kind] as fc.Arbitrary<WindowAssigner>, inputs, async (assigner, [made, disturbed]) => {
        const outputs = await run<GeneralStep, Item, string>({
          spec: (): OperatorSpec => ({
            kind: 'window',
            assigner,
            allowedLatenessMs: 5,
            lateTag: undefined,
            trigger: everySecond as Trigger<unknown>,
            compute: elements,
          }),
          options: { keySelector: ({ key }) => key, maxFirings: 2 },
          steps: made,
          disturbed,
          apply: (group, step) => {
            group.advanceProcessingTime(step.now)
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            if (step.type === 'record') group.processElement(step.value, step.timestamp)
          },
        })
        const trigger = { kind: 'count', maxCount: 2 } as const
        const expected = referenceOf(
          { assigner, allowedLatenessMs: 5, trigger, purging: false, evictor: undefined },
          made,
        )
        made.forEach((_, index) => {
          const firings = expected.firings[index] ?? []
          expect((outputs[index]?.main ?? []).map(({ value }) => value).toSorted()).toEqual(
            firings
              .map(({ key, start, end, items }) => `${key} ${start} ${end} ${items.map(({ id }) => id).toSorted()}`)
              .toSorted(),
          )
        })
      }),
      { numRuns: 60 },
    )
  },
)
