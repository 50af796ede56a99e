import { expect, test } from 'vitest'
import { type Request, walking } from './job-walk.ts'
import { newStore } from './job-world.ts'

const outcomesOf: Readonly<Record<Request, readonly string[]>> = {
  none: ['FINISHED', 'FAILED'],
  drainJob: ['FINISHED', 'FAILED'],
  cancelJob: ['FINISHED', 'FAILED', 'CANCELED'],
  suspendJob: ['FINISHED', 'FAILED', 'SUSPENDED'],
}

test.each(['none', 'drainJob', 'cancelJob', 'suspendJob'] as const)(
  'leaders die at any step, the next ones adopt what runs, and the job ends as the rules allow (%s; R3, R23)',
  (request) => {
    const outcomes = walking(
      300,
      (walk) => {
        const outcome = walk.run(newStore(), undefined, request)
        expect(outcomesOf[request]).toContain(outcome)
        return outcome
      },
      { leaderDies: 0.02 },
    )
    expect(outcomes.get('FAILED') ?? 0).toBeLessThan(150)
  },
)

test.each(['none', 'drainJob', 'cancelJob', 'suspendJob'] as const)(
  'leaders and TaskManagers die at any step, also together (%s; R13, R23)',
  (request) => {
    const outcomes = walking(
      300,
      (walk) => {
        const outcome = walk.run(newStore(), undefined, request)
        expect(outcomesOf[request]).toContain(outcome)
        return outcome
      },
      { leaderDies: 0.01, taskManagerDies: 0.005 },
    )
    expect(outcomes.get('FAILED') ?? 0).toBeLessThan(150)
  },
)

test('leaders die while a job goes on from a record of the same run or another (R17, R23)', () => {
  walking(
    300,
    (walk) => {
      const store = newStore()
      walk.run(store, undefined, 'suspendJob')
      const outcome = walk.again(store)
      expect(['FINISHED', 'FAILED']).toContain(outcome)
      return outcome
    },
    { leaderDies: 0.02, taskManagerDies: 0.002 },
  )
})
