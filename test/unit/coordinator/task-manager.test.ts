import { expect, test } from 'vitest'
import { attemptId, channelId, deploymentId } from '../../../src/common/ids.ts'
import { id, job, jobSlotOf, remoteSlot, Steps, subtask } from './task-manager-steps.ts'

test('a deployment waits until all its slots are ready, and each pair of slots with channels gets one connection', () => {
  const sender = subtask('sender', {
    outputs: [{ edgeId: 0, channels: [0, 1].map((to) => ({ channelId: channelId(`c${to}`), toSlot: jobSlotOf(to) })) }],
  })
  const receiver = subtask('receiver', {
    inputs: [{ channelId: channelId('c1'), edgeId: 0, fromSubtask: 0, fromSlot: jobSlotOf(0) }],
  })
  const steps = new Steps(2).deploy({ 0: [sender], 1: [receiver] })
  expect(steps.types).toEqual(['startSlot', 'startSlot'])
  expect(steps.ready(1).types).toEqual([])
  expect(steps.ready(0).effects).toMatchObject([
    { type: 'sendDeployment', connections: [[9, 10]], remoteConnections: [] },
  ])
})

test('a slot with a channel to a slot of another TaskManager gets one link to it, whichever end of the channel it has', () => {
  const channelsTo = (toSlot: number) => [0, 1].map((number) => ({ channelId: channelId(`c${number}`), toSlot }))
  const sender = subtask('sender', { outputs: [{ edgeId: 0, channels: channelsTo(remoteSlot.jobSlot) }] })
  const receiver = subtask('receiver', {
    inputs: [{ channelId: channelId('d'), edgeId: 0, fromSubtask: 0, fromSlot: remoteSlot.jobSlot }],
  })
  const steps = new Steps(2).deploy({ 0: [sender], 1: [receiver] }).ready(0)
  const remoteConnections = [1, 0].map((slot) => ({ jobSlot: jobSlotOf(slot), remote: remoteSlot }))
  expect(steps.ready(1).effects).toMatchObject([{ type: 'sendDeployment', connections: [], remoteConnections }])
})

test('slots that were prepared are not started again', () => {
  const steps = new Steps(1).send({ type: 'prepareSlots', job, slotIndexes: [0] }).ready(0)
  expect(steps.deploy({ 0: [subtask('a')] }).types).toEqual(['sendDeployment'])
})

test('a cancelled region that is alone in its slot gets a fresh thread for the redeploy, after the exit of the old one (R32)', () => {
  const steps = new Steps(1)
    .deploy({ 0: [subtask('a')] })
    .ready(0)
    .cancel('a')
  expect(steps.effects).toMatchObject([
    { type: 'toSlot', message: { type: 'cancel' } },
    { type: 'setTimer', delayMs: 500 },
  ])
  steps.send({ type: 'fromSlot', slotIndex: 0, message: { type: 'canceled', attemptId: attemptId('a') } })
  expect(steps.reports).toEqual(['canceled a'])
  expect(steps.types).toContain('terminateSlot')
  expect(steps.deploy({ 0: [subtask('a2')] }).types).toEqual([])
  expect(steps.exit(0).types).toContain('startSlot')
  expect(steps.ready(0).types).toEqual(['sendDeployment'])
})

test('where another region lives in the slot, attempts are cancelled in place and redeployed there', () => {
  const steps = new Steps(1)
    .deploy({ 0: [subtask('a')] })
    .ready(0)
    .deploy({ 0: [subtask('other')] })
    .cancel('a')
  expect(steps.effects).toMatchObject([{ type: 'toSlot' }, { type: 'setTimer', delayMs: 30_000 }])
  steps.send({ type: 'fromSlot', slotIndex: 0, message: { type: 'canceled', attemptId: attemptId('a') } })
  expect(steps.types).toEqual(['report', 'cancelTimer'])
  expect(steps.deploy({ 0: [subtask('a2')] }).types).toEqual(['sendDeployment'])
})

test('attempts that do not end by themselves cost the thread, a thread that does not end costs the process (R32)', () => {
  const steps = new Steps(1)
    .deploy({ 0: [subtask('a')] })
    .ready(0)
    .cancel('a')
  steps.send({ type: 'timer', timer: { type: 'terminateSlot', slotIndex: 0 } })
  expect(steps.types).toEqual(['cancelTimer', 'terminateSlot', 'setTimer'])
  steps.send({ type: 'timer', timer: { type: 'killProcess', slotIndex: 0 } })
  expect(steps.effects).toMatchObject([{ type: 'killProcess', error: { code: 'MR_CANCELLATION_TIMEOUT' } }])
  expect(steps.exit(0).reports).toEqual(['canceled a'])
})

test('a thread that dies takes its attempts with it, and those that were to be deployed to it', () => {
  const steps = new Steps(2)
    .deploy({ 0: [subtask('a')] })
    .ready(0)
    .deploy({ 0: [subtask('b')], 1: [subtask('c')] })
  const cause = { type: 'died', reason: 'exit code 1', code: 'MR_SLOT_LOST' } as const
  steps.send({ type: 'slotExited', slotIndex: 0, cause })
  expect(steps.reports).toEqual(['failed a', 'failed b'])
  expect(steps.cancel('c').reports).toEqual(['canceled c'])
})

test('a slot that can not go on fails its attempts with its error', () => {
  const steps = new Steps(1).deploy({ 0: [subtask('a')] })
  const error = { code: 'MR_GRAPH_MISMATCH', message: 'another graph' } as const
  steps.send({ type: 'fromSlot', slotIndex: 0, message: { type: 'slotFailed', error } })
  expect(steps.effects).toContainEqual(
    expect.objectContaining({ type: 'report', message: { type: 'failed', attemptId: 'a', error } }),
  )
  expect(steps.types).toContain('terminateSlot')
})

test('released slots are free when their threads have gone', () => {
  const steps = new Steps(2).deploy({ 0: [subtask('a')] }).ready(0)
  steps.send({ type: 'releaseSlots', jobId: id, slotIndexes: [0, 1] })
  expect(steps.effects.filter(({ type }) => type === 'slotFreed')).toMatchObject([{ slotIndex: 1 }])
  expect(steps.exit(0).types).toContain('slotFreed')
  expect(steps.state.slots.map(({ type }) => type)).toEqual(['free', 'free'])
})

test('attempts whose links are lost are cancelled, and have failed when they are gone', () => {
  const steps = new Steps(2)
    .deploy({ 0: [subtask('a')], 1: [subtask('b')] })
    .ready(0)
    .ready(1)
    .deploy({ 1: [subtask('other')] })
  const error = { code: 'MR_TASK_MANAGER_LOST', message: 'the connection broke' } as const
  steps.send({ type: 'linksLost', deployments: [deploymentId('deployment-1')], error })
  expect(steps.effects).toMatchObject([
    { type: 'toSlot', slotIndex: 0, message: { type: 'cancel', attemptIds: ['a'] } },
    { type: 'setTimer' },
    { type: 'toSlot', slotIndex: 1, message: { type: 'cancel', attemptIds: ['b'] } },
    { type: 'setTimer' },
  ])
  // The JobMaster cancels the region when it hears of the first.
  expect(steps.cancel('b').reports).toEqual([])
  steps.send({ type: 'fromSlot', slotIndex: 1, message: { type: 'canceled', attemptId: attemptId('b') } })
  expect(steps.reports).toEqual(['failed b'])
  expect(steps.effects).toContainEqual(expect.objectContaining({ message: { type: 'failed', attemptId: 'b', error } }))
  expect(steps.exit(0).reports).toEqual(['failed a'])
  // The other deployment lives on.
  expect(steps.state.slots[1]).toMatchObject({ type: 'running', attempts: [{ attemptId: 'other', cancelling: false }] })
})
