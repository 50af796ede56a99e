import { expect, test } from 'vitest'
import { walking } from './job-walk.ts'
import { newStore } from './job-world.ts'

test.each(['none', 'drainJob'] as const)(
  'whatever fails on the way, a job ends FINISHED with everything committed, or FAILED (%s; R1–R3, R12, R13, I5, I6)',
  (request) => {
    const outcomes = walking(300, (walk) => {
      const outcome = walk.run(newStore(), undefined, request)
      expect(['FINISHED', 'FAILED']).toContain(outcome)
      return outcome
    })
    expect(outcomes.get('FINISHED') ?? 0).toBeGreaterThan(100)
  },
)

test.each([
  ['cancelJob', 'CANCELED'],
  ['suspendJob', 'SUSPENDED'],
] as const)('%s ends a job at any moment, with nothing left behind', (request, expected) => {
  const outcomes = walking(200, (walk) => {
    const outcome = walk.run(newStore(), undefined, request)
    expect(['FINISHED', 'FAILED', expected]).toContain(outcome)
    return outcome
  })
  expect(outcomes.get(expected) ?? 0).toBeGreaterThan(20)
})

test('a new JobMaster goes on from any record, in the same run or another, at any parallelism, to FINISHED with everything committed', () => {
  const outcomes = walking(400, (walk) => {
    const store = newStore()
    walk.run(store, undefined, 'suspendJob')
    const outcome = walk.again(store)
    expect(['FINISHED', 'FAILED']).toContain(outcome)
    return outcome
  })
  expect(outcomes.get('FINISHED') ?? 0).toBeGreaterThan(150)
})
