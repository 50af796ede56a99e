import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { triggerOf } from '../../../../src/api/window-settings.ts'
import { noTimestamp } from '../../../../src/common/timestamps.ts'
import { isMerging, type OperatorSpec, type WindowAssigner } from '../../../../src/graph/operator-spec.ts'
import { assigners, evictorCases, evictorFor, steps, triggerCases, triggerFor } from './support/general-window-cases.ts'
import { type GeneralCase, type GeneralStep, referenceOf } from './support/general-window-reference.ts'
import { disturbances, run } from './support/scenario.ts'
import {
  computations,
  deepFrozen,
  expectedResults,
  idOf,
  latenesses,
  lateTag,
  sortedResults,
} from './support/window-computations.ts'
import type { Item } from './support/window-reference.ts'

describe.each(Object.keys(assigners))('%s windows with triggers and evictors', (kind) => {
  const given: fc.Arbitrary<GeneralCase> = fc
    .record({
      assigner: assigners[kind] as fc.Arbitrary<WindowAssigner>,
      allowedLatenessMs: latenesses,
      trigger: triggerCases,
      purging: fc.boolean(),
      evictor: evictorCases,
    })
    // Sessions grow together, and the trigger of deltas does not.
    .filter(({ assigner, trigger }) => trigger.kind !== 'delta' || !isMerging(assigner))

  test.each(computations)('equal the reference computation: $name', async ({ compute, input, result }) => {
    const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
    await fc.assert(
      fc.asyncProperty(given, all, async (one, [made, disturbed]) => {
        const { assigner, allowedLatenessMs } = one
        const evictor = evictorFor(one.evictor)
        const trigger = triggerOf({ assigner, trigger: triggerFor(one), evictor }, compute)
        const outputs = await run<GeneralStep, Item, unknown>({
          spec: (): OperatorSpec => ({
            kind: 'window',
            assigner,
            allowedLatenessMs,
            lateTag,
            trigger,
            evictor,
            compute,
          }),
          options: { keySelector: ({ key }) => key, maxFirings: 2 },
          sideOutput: lateTag,
          steps: made,
          disturbed,
          apply: (group, step) => {
            group.advanceProcessingTime(step.now)
            if (step.type === 'watermark') group.processWatermark(step.watermark)
            if (step.type === 'record') {
              group.processElement(deepFrozen(input(step.value)) as Item, step.timestamp)
            }
          },
        })
        const expected = referenceOf(one, made)
        made.forEach((_, index) => {
          const main = outputs[index]?.main ?? []
          expect(sortedResults(main.map(({ value }) => result(value)))).toEqual(
            expectedResults(expected.firings[index] ?? []),
          )
          for (const { value, timestamp } of main) {
            const { end } = result(value)
            expect(timestamp).toBe(end === Number.POSITIVE_INFINITY ? noTimestamp : end - 1)
          }
        })
        const late = outputs.flatMap(({ side }) => side.map(({ value }) => idOf(value)))
        expect(late).toEqual(expected.late.map(({ id }) => id))
      }),
      { numRuns: 40 },
    )
  })
})
