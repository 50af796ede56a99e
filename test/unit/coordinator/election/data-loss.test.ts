import { expect, test } from 'vitest'
import { compare, learned, nothingKnown, stateLost } from '../../../../src/coordinator/election/data-loss.ts'

const known = { incarnation: 'a', epoch: 7, checkpoints: { job: 4, ended: 9 } }

test('a process that has never seen the cluster takes what it finds', () => {
  const found = { incarnation: 'a', epoch: 3, accepted: [], checkpoints: { job: 2 } }
  expect(compare(nothingKnown, found)).toEqual([])
  expect(learned(nothingKnown, found)).toEqual({ incarnation: 'a', epoch: 3, checkpoints: { job: 2 } })
})

test('a Redis that knows less is behind: another incarnation, a lower epoch, an older checkpoint (I12)', () => {
  expect(compare(known, { incarnation: 'a', epoch: 7, accepted: [], checkpoints: { job: 4 } })).toEqual([])
  const behind = compare(known, { incarnation: 'a', epoch: 6, accepted: [], checkpoints: { job: 3, fresh: 1 } })
  expect(behind).toEqual([
    { type: 'epoch', known: 7, found: 6 },
    { type: 'checkpoint', jobId: 'job', known: 4, found: 3 },
  ])
  expect(stateLost(behind, 'redis://a:1')).toMatchObject({
    code: 'MR_STATE_LOST',
    message:
      'Redis at redis://a:1 has lost data: its epoch is 6, 7 was given already; job job has checkpoint 3, 4 was completed',
  })
  expect(compare(known, { incarnation: 'b', epoch: 0, accepted: [] })).toEqual([
    { type: 'incarnation', known: 'a', found: 'b' },
  ])
})

test('a loss that was accepted is none, and no epoch is given twice over it (I2)', () => {
  const found = { incarnation: 'b', epoch: 2, accepted: ['a'] }
  expect(compare(known, found)).toEqual([])
  expect(learned(known, found)).toEqual({ incarnation: 'b', epoch: 7, checkpoints: {} })
})
