import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { disturbances, runDisturbed } from './support/disturbed-run.ts'
import { linesOf } from './support/lines.ts'
import { jobShapes } from './support/random-shape.ts'
import { expectedOf } from './support/reference.ts'

/** `MILLRACE_RANDOM_JOBS=5000 npx vitest run …`: a long run by hand; `MILLRACE_SEED` and `MILLRACE_PATH` repeat one. */
const { MILLRACE_END_ON_FAILURE, MILLRACE_RANDOM_JOBS, MILLRACE_SEED, MILLRACE_PATH } = process.env
const byHand = MILLRACE_RANDOM_JOBS !== undefined

const parameters: fc.Parameters<unknown> = {
  timeout: 40_000,
  endOnFailure: MILLRACE_END_ON_FAILURE !== undefined,
  numRuns: Number(MILLRACE_RANDOM_JOBS ?? 200),
  ...(byHand ? {} : { interruptAfterTimeLimit: 15_000 }),
  ...(MILLRACE_SEED === undefined ? {} : { seed: Number(MILLRACE_SEED) }),
  ...(MILLRACE_PATH === undefined ? {} : { path: MILLRACE_PATH }),
}

const totals = { starts: 0, restarts: 0, checkpoints: 0, records: 0 }

test(
  'random jobs give what a plain computation gives, whatever fails on the way',
  async () => {
    await fc.assert(
      fc.asyncProperty(jobShapes, disturbances, async (shape, disturbed) => {
        const expected = linesOf(expectedOf(shape))
        const { results, starts, restarts, checkpoints } = await runDisturbed(shape, disturbed)
        const got = linesOf(results)
        expect(got).toEqual(expected)
        totals.starts += starts
        totals.restarts += restarts
        totals.checkpoints += checkpoints
        totals.records += got.length
      }),
      parameters,
    )
  },
  byHand ? 3_600_000 : 60_000,
)

afterAll(() => {
  if (byHand) console.log(totals)
  // Else the test tests little.
  if (MILLRACE_PATH === undefined) expect(totals.restarts).toBeGreaterThan(5)
})
