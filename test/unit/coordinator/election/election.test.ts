import { expect, test } from 'vitest'
import { leaderToken } from '../../../../src/common/ids.ts'
import { decide } from '../../../../src/coordinator/election/decide.ts'
import {
  decideLease,
  type LeaseMessage,
  type LeaseState,
  newLease,
} from '../../../../src/coordinator/election/lease.ts'
import { type ElectionMessage, type ElectionState, newElection } from '../../../../src/coordinator/election/state.ts'

const leaseMs = 3000
const fresh = newElection({ leaseMs, retryMs: 100, resignedMs: leaseMs }, 0)

/** Decides one message after another; `epochMs` of the wall clock is whatever it likes to be (F9). */
function decided(messages: readonly (readonly [number, ElectionMessage])[], epochMs = 0, from: ElectionState = fresh) {
  let decision: ReturnType<typeof decide> = { state: from, effects: [] }
  for (const [monotonicMs, message] of messages) {
    decision = decide(decision.state, message, { epochMs, monotonicMs, random: 0 })
  }
  return decision
}

const leading: readonly (readonly [number, ElectionMessage])[] = [
  [0, { type: 'tick' }],
  [10, { type: 'acquired', attempt: 1, deadlineMs: 2960 }],
  [20, { type: 'claimed', attempt: 2, token: leaderToken('a:1') }],
]

test('a candidate acquires, claims and leads, whatever the wall clock does (F9)', () => {
  const hourMs = 3_600_000
  for (const epochMs of [0, hourMs, -hourMs]) {
    expect(decided(leading, epochMs).effects).toEqual([{ type: 'lead', token: 'a:1', epoch: 1 }])
  }
})

test('a lease that comes with less than a half left is given back', () => {
  const { state, effects } = decided([
    [0, { type: 'tick' }],
    [1500, { type: 'acquired', attempt: 1, deadlineMs: 2960 }],
  ])
  expect(state.phase.type).toBe('steppingDown')
  expect(effects).toContainEqual({ type: 'release' })
})

test('a lease that is not renewed ends at the deadline, and one that is does not (I3)', () => {
  expect(decided([...leading, [2959, { type: 'tick' }]]).effects).toEqual([])
  expect(decided([...leading, [2960, { type: 'tick' }]]).effects).toEqual([
    { type: 'standBy', reason: 'the lease was not renewed in time (I3)' },
    { type: 'release' },
  ])
  const renewed: ElectionMessage = { type: 'renewed', deadlineMs: 4000 }
  expect(decided([...leading, [1000, renewed], [2960, { type: 'tick' }]]).state.phase.type).toBe('leading')
})

test('above an epoch that a TaskManager obeys it claims again, without letting the lease go (I2, I4)', () => {
  expect(decided([...leading, [30, { type: 'tokenSeen', token: leaderToken('x:9') }]]).effects).toEqual([
    { type: 'standBy', reason: 'epoch 9 was given already' },
    { type: 'claim', attempt: 3, floor: 9 },
  ])
  const twice = decided([...leading, [30, { type: 'tokenSeen', token: leaderToken('x:1') }]])
  expect(twice.effects[1]).toEqual({ type: 'claim', attempt: 3, floor: 1 })
  expect(decided([...leading, [30, { type: 'tokenSeen', token: leaderToken('a:1') }]]).effects).toEqual([])
})

test('one that has resigned leaves it to others for a while', () => {
  const { state } = decided([...leading, [30, { type: 'resign' }], [40, { type: 'released' }]])
  expect(state.phase).toEqual({ type: 'standby', nextTryMs: 40 + leaseMs })
})

function leased(messages: readonly (readonly [number, LeaseMessage])[]) {
  let decision: ReturnType<typeof decideLease> = { state: newLease({ leaseMs, guardMs: leaseMs }), effects: [] }
  for (const [nowMs, message] of messages) decision = decideLease(decision.state as LeaseState, message, nowMs)
  return decision
}

const held: readonly (readonly [number, LeaseMessage])[] = [
  [0, { type: 'acquire', attempt: 1 }],
  [10, { type: 'acquired', sentAtMs: 0, progress: 0 }],
]

test('the lease is renewed after a third of it, if the main loop has gone on (I13)', () => {
  expect(leased([...held, [999, { type: 'tick', progress: 1 }]]).effects).toEqual([])
  expect(leased([...held, [1000, { type: 'tick', progress: 1 }]]).effects).toEqual([{ type: 'renew' }])
  expect(leased([...held, [1000, { type: 'tick', progress: 0 }]]).effects).toEqual([])
})

test('a renewal that is answered "not yours" ends it at once, one that is not answered does not', () => {
  const renewing = [...held, [1000, { type: 'tick', progress: 1 }]] as const
  const lost = leased([...renewing, [1010, { type: 'renewal', outcome: 'lost', sentAtMs: 1000 }]])
  expect(lost.effects[0]).toEqual({ type: 'deadline', deadlineMs: 0 })
  expect(lost.state.phase.type).toBe('releasing')
  const unknown = leased([...renewing, [1700, { type: 'renewal', outcome: 'unknown', sentAtMs: 1000 }]])
  expect(unknown.state.phase.type).toBe('held')
  expect(decideLease(unknown.state, { type: 'tick', progress: 2 }, 1850).effects).toEqual([{ type: 'renew' }])
  expect(decideLease(unknown.state, { type: 'tick', progress: 2 }, 2968).effects[1]).toMatchObject({
    message: { type: 'leaseLost' },
  })
})
