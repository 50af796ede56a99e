import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventTimeTrigger, type Trigger } from '../../../../src/api/triggers.ts'
import type { EventTimeWindowAssigner, OperatorSpec, WindowComputation } from '../../../../src/graph/operator-spec.ts'
import { disturbances, run } from './support/scenario.ts'
import {
  assigners,
  computations,
  deepFrozen,
  expectedResults,
  idOf,
  latenesses,
  lateTag,
  type SumAndCount,
  sortedResults,
  steps,
  sumAndCount,
} from './support/window-computations.ts'
import { type Item, referenceWindows, type Step } from './support/window-reference.ts'

interface Path {
  readonly path: string
  readonly kind: string
  readonly trigger: Trigger<unknown> | undefined
  readonly numRuns: number
}

/** Plain event-time windows have operators of their own; the general one has to give the same. */
const paths: readonly Path[] = Object.keys(assigners).flatMap((kind) => [
  { path: 'an operator of their own', kind, trigger: undefined, numRuns: 150 },
  { path: 'the general operator', kind, trigger: EventTimeTrigger.create(), numRuns: 80 },
])

describe.each(paths)('$kind windows in $path', ({ kind, trigger, numRuns }) => {
  const assignerOf = assigners[kind] as fc.Arbitrary<EventTimeWindowAssigner>

  test.each(computations)('equal the reference computation: $name', async ({ compute, input, result }) => {
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    await fc.assert(
      fc.asyncProperty(assignerOf, latenesses, all, async (assigner, allowedLatenessMs, [made, disturbed]) => {
        const outputs = await run<Step, Item, unknown>({
          spec: (): OperatorSpec => ({ kind: 'window', assigner, allowedLatenessMs, lateTag, trigger, compute }),
          options: { keySelector: ({ key }) => key, maxFirings: 2 },
          sideOutput: lateTag,
          steps: made,
          disturbed,
          apply: (group, step) => {
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            else group.processElement(deepFrozen(input(step.value)) as Item, step.timestamp)
          },
        })
        const expected = referenceWindows(assigner, allowedLatenessMs, made)
        made.forEach((_, index) => {
          const main = outputs[index]?.main ?? []
          expect(sortedResults(main.map(({ value }) => result(value)))).toEqual(
            expectedResults(expected.firings[index] ?? []),
          )
          for (const { value, timestamp } of main) expect(timestamp).toBe(result(value).end - 1)
        })
        const late = outputs.flatMap(({ side }) => side.map(({ value }) => idOf(value)))
        expect(late).toEqual(expected.late.map(({ id }) => id))
      }),
      { numRuns },
    )
  })

  test.each([
    { how: 'alone', combinable: false },
    { how: 'combinable', combinable: true },
  ])('of a declared accumulator, $how, equal the reference computation', async ({ combinable }) => {
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    const compute: WindowComputation = {
      kind: 'aggregate',
      aggregate: { ...sumAndCount, combinable },
      process: undefined,
    }
    await fc.assert(
      fc.asyncProperty(assignerOf, latenesses, all, async (assigner, allowedLatenessMs, [made, disturbed]) => {
        const outputs = await run<Step, Item, SumAndCount>({
          spec: (): OperatorSpec => ({
            kind: 'window',
            assigner,
            allowedLatenessMs,
            lateTag: undefined,
            trigger,
            compute,
          }),
          options: { keySelector: ({ key }) => key, maxFirings: 3 },
          steps: made,
          disturbed,
          apply: (group, step) => {
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            else group.processElement(deepFrozen(step.value), step.timestamp)
          },
        })
        const { firings } = referenceWindows(assigner, allowedLatenessMs, made)
        made.forEach((_, index) => {
          const main = (outputs[index]?.main ?? []).map(({ value, timestamp }) => [timestamp, value.count, value.sum])
          const expected = (firings[index] ?? []).map(({ end, items }) => [
            end - 1,
            items.length,
            items.reduce((sum, { id }) => sum + id, 0),
          ])
          expect(main.map(String).toSorted()).toEqual(expected.map(String).toSorted())
        })
      }),
      { numRuns },
    )
  })
})
