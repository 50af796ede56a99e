import { expect, test } from 'vitest'
import { jobId } from '../../../src/common/ids.ts'
import { decide } from '../../../src/coordinator/job-manager/decide.ts'
import {
  type JobManagerEffect,
  type JobManagerMessage,
  type JobManagerState,
  newJobManager,
  type Submission,
} from '../../../src/coordinator/job-manager/state.ts'
import { planOf } from './plans.ts'

const first = jobId('1'.repeat(32))
const second = jobId('2'.repeat(32))

function run(timeoutMs: number, ...messages: readonly JobManagerMessage[]) {
  let state: JobManagerState = newJobManager(timeoutMs)
  let effects: readonly JobManagerEffect[] = []
  for (const message of messages) ({ state, effects } = decide(state, message))
  return { state, effects, types: effects.map(({ type }) => type) }
}

const register: JobManagerMessage = {
  type: 'registerTaskManager',
  taskManager: 'tm',
  numberOfSlots: 2,
  dataAddress: 'here:1',
  host: 'here',
  pid: 1,
}
const request = (id: typeof first, count: number): JobManagerMessage => ({ type: 'requestSlots', jobId: id, count })
const freed = (slotIndex: number, id: typeof first): JobManagerMessage => ({
  type: 'slotFreed',
  slot: { taskManager: 'tm', slotIndex },
  jobId: id,
})

test('slots are granted all at once', () => {
  const { effects } = run(0, register, request(first, 2))
  const slots = [0, 1].map((slotIndex) => ({ taskManager: 'tm', slotIndex, dataAddress: 'here:1' }))
  expect(effects).toEqual([{ type: 'grantSlots', jobId: first, slots }])
})

test('too few slots are refused at once where none can come, with both numbers', () => {
  const { effects } = run(0, register, request(first, 3))
  expect(effects).toEqual([{ type: 'refuseSlots', jobId: first, required: 3, available: 2 }])
})

test('on a cluster a request waits for TaskManagers until slot.request.timeout', () => {
  expect(run(1000, register, request(first, 3)).types).toEqual(['setTimer'])
  const more: JobManagerMessage = {
    type: 'registerTaskManager',
    taskManager: 'other',
    numberOfSlots: 1,
    dataAddress: 'there:1',
    host: 'here',
    pid: 1,
  }
  expect(run(1000, register, request(first, 3), more).types).toEqual(['grantSlots'])
  const timeout: JobManagerMessage = { type: 'slotRequestTimeout', jobId: first, request: 1 }
  expect(run(1000, register, request(first, 3), timeout).types).toEqual(['refuseSlots'])
  expect(run(1000, register, request(first, 3), more, timeout).types).toEqual([])
})

test('slots of an ended job are given away only when their threads have gone (R32)', () => {
  const ended: readonly JobManagerMessage[] = [register, request(first, 2), { type: 'jobEnded', jobId: first }]
  expect(run(0, ...ended).types).toEqual(['releaseSlots'])
  expect(run(0, ...ended, request(second, 2)).types).toEqual([])
  expect(run(0, ...ended, request(second, 2), freed(0, first)).types).toEqual([])
  expect(run(0, ...ended, request(second, 2), freed(0, first), freed(1, first)).types).toEqual(['grantSlots'])
})

test('a submission that is repeated gets the first answer, and the job starts once (R24)', () => {
  const submission: Submission = {
    jobId: first,
    plan: planOf([]),
    job: { bundleUrl: 'inline:', arguments: [], configuration: {} },
    blobStore: { type: 'memory', name: 'own' },
    hasCheckpointStore: false,
    restore: undefined,
    leftTransactions: [],
  }
  const submit: JobManagerMessage = { type: 'submitJob', requestId: 'request', client: 'client', submission }
  expect(run(0, submit).types).toEqual(['submitted', 'startJobMaster'])
  expect(run(0, submit, submit).types).toEqual(['submitted'])
})

test('jobs with slots in a lost TaskManager are told', () => {
  const lost: JobManagerMessage = { type: 'taskManagerLost', taskManager: 'tm' }
  expect(run(0, register, request(first, 1), lost).effects).toEqual([
    { type: 'tellJobMaster', jobId: first, lost: 'tm' },
  ])
})

test('a request that no slot can serve any more is refused, it does not wait for ever (I11)', () => {
  const ended: readonly JobManagerMessage[] = [register, request(first, 2), { type: 'jobEnded', jobId: first }]
  const lost: JobManagerMessage = { type: 'taskManagerLost', taskManager: 'tm' }
  expect(run(0, ...ended, request(second, 2), lost).effects).toEqual([
    { type: 'refuseSlots', jobId: second, required: 2, available: 0 },
  ])
  // Those that come back are promised to the request before it.
  const third = jobId('3'.repeat(32))
  expect(run(0, ...ended, request(second, 2), request(third, 1)).effects).toEqual([
    { type: 'refuseSlots', jobId: third, required: 1, available: 0 },
  ])
  // On a cluster it has its time limit, also while slots come back.
  expect(run(1000, ...ended, request(second, 2)).types).toEqual(['setTimer'])
})
