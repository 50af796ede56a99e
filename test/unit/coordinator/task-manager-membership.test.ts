import { expect, test } from 'vitest'
import { ObeyedLeader, toLeader } from '../../../src/actors/obeyed-leader.ts'
import { leaderToken } from '../../../src/common/ids.ts'
import {
  decideMembership,
  joinCluster,
  type MembershipEffect,
  type MembershipMessage,
} from '../../../src/coordinator/task-manager/membership.ts'

const heartbeatDue: MembershipMessage = { type: 'membershipTimer', timer: { type: 'heartbeatDue' } }
const hello: MembershipMessage = { type: 'hello', round: 3 }

/** The types of what the last message made it do, and its phase then. */
function after(...messages: readonly MembershipMessage[]) {
  let { state, effects }: ReturnType<typeof joinCluster> = joinCluster(1000)
  for (const message of messages) ({ state, effects } = decideMembership(state, message))
  return { state, effects, types: effects.map(({ type }: MembershipEffect) => type) }
}

test('a TaskManager registers until a leader says Hello, then it says what it has, and that it lives', () => {
  expect(after().types).toEqual(['register', 'setMembershipTimer'])
  expect(after(heartbeatDue).types).toEqual(['register', 'setMembershipTimer'])
  expect(after(hello).effects).toEqual([{ type: 'sendInventory', round: 3 }])
  expect(after(hello, heartbeatDue).types).toEqual(['sendHeartbeat', 'setMembershipTimer'])
  expect(after(hello, { type: 'heartbeat', demanded: true }).types).toEqual(['sendHeartbeat'])
  expect(after(hello, { type: 'heartbeat', demanded: false }).types).toEqual([])
})

test('one that was declared lost, or whose inbox was deleted, gives up and does nothing more (R22)', () => {
  expect(after(hello, { type: 'declaredLost', reason: 'silent' }).types).toEqual(['giveUp'])
  const gone = after(hello, { type: 'interrupted', inboxExists: false })
  expect(gone.effects).toMatchObject([{ type: 'giveUp', error: { code: 'MR_TASK_MANAGER_LOST' } }])
  expect(decideMembership(gone.state, hello).effects).toEqual([])
})

test('lost messages are told where there is a leader (R22)', () => {
  expect(after({ type: 'interrupted', inboxExists: true }).types).toEqual([])
  expect(after(hello, { type: 'interrupted', inboxExists: true }).types).toEqual(['reportMessagesLost'])
})

test('a lost peer is told at once, and kept for the next leader', () => {
  const { types, state } = after(hello, { type: 'peerLost', taskManager: 'p' }, { type: 'peerLost', taskManager: 'p' })
  expect(types).toEqual(['reportPeerLost'])
  expect(state.lostPeers).toEqual(['p'])
})

test('SIGTERM: it announces itself, again to a new leader, and goes when it is released or the time is over (R29)', () => {
  const leave: MembershipMessage = { type: 'leave', graceMs: 5000 }
  expect(after(leave).effects).toEqual([{ type: 'left', clean: true }])
  expect(after(hello, leave).types).toEqual(['announceLeaving', 'setMembershipTimer'])
  expect(after(hello, leave, leave).types).toEqual([])
  expect(after(hello, leave, hello).types).toEqual(['sendInventory', 'announceLeaving'])
  expect(after(hello, leave, { type: 'released' }).effects).toEqual([{ type: 'left', clean: true }])
  const over: MembershipMessage = { type: 'membershipTimer', timer: { type: 'graceOver' } }
  expect(after(hello, leave, over).effects).toEqual([{ type: 'left', clean: false }])
  expect(after(hello, { type: 'released' }).types).toEqual([])
})

test('the highest epoch is obeyed; an older leader, and another one of the same epoch, is told of it (I4)', () => {
  const obeyed = new ObeyedLeader()
  const refused: string[] = []
  obeyed.onRefused = (token) => refused.push(token)
  const admits = (token?: string): boolean => obeyed.admits(token === undefined ? {} : { leaderToken: token })
  expect(admits()).toBe(false)
  expect([admits('a:1'), admits('a:1'), admits('b:2'), admits('a:1'), admits('c:2')]).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
  expect(refused).toEqual(['a:1', 'c:2'])
  expect(obeyed.token).toBe('b:2')
})

test('a leader takes what is told to it or to nobody, and learns of another one by its token (I4)', () => {
  const own = leaderToken('b:2')
  expect(
    [undefined, 'b:2', 'a:1', 'c:3', 'c:2'].map((told) => toLeader(own, told === undefined ? told : leaderToken(told))),
  ).toEqual(['admitted', 'admitted', 'old', 'superseded', 'superseded'])
})
