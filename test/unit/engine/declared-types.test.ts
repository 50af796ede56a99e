import fc from 'fast-check'
import { expect, test } from 'vitest'
import { disturbances, runDisturbed } from './support/disturbed-run.ts'
import { linesOf } from './support/lines.ts'
import { jobShapes } from './support/random-shape.ts'
import { expectedOf } from './support/reference.ts'

test('records and state of declared types give what untyped ones give, through the same failures', async () => {
  await fc.assert(
    fc.asyncProperty(jobShapes, disturbances, async (shape, disturbed) => {
      // Discards what has no one result.
      expectedOf(shape)
      const untyped = await runDisturbed({ ...shape, declared: false }, disturbed)
      const declared = await runDisturbed({ ...shape, declared: true }, disturbed)
      expect(linesOf(declared.results)).toEqual(linesOf(untyped.results))
    }),
    { numRuns: 40, interruptAfterTimeLimit: 3000 },
  )
}, 30_000)
