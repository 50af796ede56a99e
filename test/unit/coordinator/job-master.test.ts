import { expect, test } from 'vitest'
import type { ErrorData } from '../../../src/common/errors.ts'
import { attemptId, checkpointId, jobId } from '../../../src/common/ids.ts'
import { decide } from '../../../src/coordinator/job-master/decide.ts'
import { jobStatus } from '../../../src/coordinator/job-master/job-status.ts'
import type { JobMasterEffect, JobMasterMessage } from '../../../src/coordinator/job-master/messages.ts'
import { jobMetrics, noMetrics, withReport } from '../../../src/coordinator/job-master/metrics.ts'
import type { JobMasterState } from '../../../src/coordinator/job-master/state.ts'
import type { RestorePoint } from '../../../src/coordinator/restore.ts'
import type { CheckpointRecord } from '../../../src/state/checkpoint-record.ts'
import type { SubtaskMetrics } from '../../../src/task/slot-protocol.ts'
import { idOf, jobMasterOf, planOf } from './plans.ts'

const islands = planOf([
  { name: 'left', parallelism: 1, kind: 'source' },
  { name: 'right', parallelism: 1, kind: 'source' },
])
const slot = { taskManager: 'tm', slotIndex: 0, dataAddress: '' }
const unreachable: ErrorData = { code: 'MR_KAFKA_UNREACHABLE', message: 'no broker answered' }

const emptyRecord: CheckpointRecord = {
  formatVersion: 1,
  jobId: jobId('a'),
  jobName: 'tested',
  id: checkpointId(3),
  kind: 'checkpoint',
  triggeredAt: 0,
  completedAt: 0,
  graphHash: 'hash',
  vertices: [],
}

/** A JobMaster step by step; keeps the effects of the last step. */
class Steps {
  state: JobMasterState
  effects: readonly JobMasterEffect[] = []
  nowMs = 0

  constructor(state: JobMasterState) {
    this.state = state
  }

  send(message: JobMasterMessage): this {
    const now = { epochMs: this.nowMs, monotonicMs: this.nowMs, random: 0.5 }
    const { state, effects } = decide(this.state, message, now)
    this.state = state
    this.effects = effects
    return this
  }

  /** Slots, splits and running attempts, so that the job runs. */
  run(discoveryIntervalMs?: number): this {
    this.send({ type: 'start' })
      .send({ type: 'slotsGranted', slots: [slot] })
      .locate(discoveryIntervalMs)
    for (const attempt of this.attempts()) this.attempt('running', attempt)
    return this
  }

  locate(discoveryIntervalMs?: number): this {
    for (const { vertexId } of this.state.sources) {
      this.send({ type: 'splitsLocated', vertexId, splits: [{ id: 'a', position: 0 }], discoveryIntervalMs })
    }
    return this
  }

  attempt(type: 'running' | 'ended' | 'canceled', name: string): this {
    return this.send({ type: 'attempt', event: { type, attemptId: attemptId(name) } })
  }

  fail(name: string, error: ErrorData = { code: 'MR_USER_FUNCTION', message: 'threw' }): this {
    return this.send({ type: 'attempt', event: { type: 'failed', attemptId: attemptId(name), error } })
  }

  attempts(): readonly string[] {
    return this.state.subtasks.flatMap((subtask) => (subtask.type === 'attempt' ? [subtask.attemptId] : []))
  }

  done<Type extends JobMasterEffect['type']>(type: Type): readonly Extract<JobMasterEffect, { readonly type: Type }>[] {
    return this.effects.filter(
      (effect): effect is Extract<JobMasterEffect, { readonly type: Type }> => effect.type === type,
    )
  }
}

const failing = (steps: Steps) => steps.state.phase

test('slots are asked for before anything else, and prepared while the splits are looked for', () => {
  const steps = new Steps(jobMasterOf(islands)).send({ type: 'start' })
  expect(steps.effects).toEqual([{ type: 'requestSlots', count: 1 }])
  steps.send({ type: 'slotsGranted', slots: [slot] })
  expect(steps.effects.map(({ type }) => type)).toEqual(['prepareSlots', 'locateSplits', 'locateSplits'])
  expect(steps.locate().done('deploy').length).toBe(2)
})

test('a record that the job can not be restored from fails it before anything starts', () => {
  const vertex = { vertexId: idOf('gone'), operatorUids: ['gone'], parallelism: 1, maxParallelism: 128, subtasks: [] }
  const restore: RestorePoint = {
    record: { ...emptyRecord, vertices: [vertex] },
    blobStore: { type: 'memory', name: 'own' },
    committed: true,
    ownRun: false,
  }
  const steps = new Steps(jobMasterOf(islands, { restore })).send({ type: 'start' })
  expect(failing(steps)).toMatchObject({ type: 'ended', outcome: 'FAILED', error: { code: 'MR_STATE_INCOMPATIBLE' } })
})

test('splits that are not found fail a first start at once, but a job that goes on by itself looks again', () => {
  const first = new Steps(jobMasterOf(islands)).send({ type: 'start' }).send({ type: 'slotsGranted', slots: [slot] })
  const notLocated: JobMasterMessage = { type: 'splitsNotLocated', vertexId: idOf('left'), error: unreachable }
  expect(failing(first.send(notLocated))).toMatchObject({ type: 'ended', outcome: 'FAILED', error: unreachable })

  const running = new Steps(jobMasterOf(islands)).run()
  const { facts } = running.state
  const restore: RestorePoint = { record: emptyRecord, blobStore: facts.blobStore, committed: true, ownRun: true }
  const again = new Steps(jobMasterOf(islands, { restore })).send({ type: 'start' })
  again.send({ type: 'slotsGranted', slots: [slot] }).send(notLocated)
  const timer = { type: 'locateAgain', vertexId: idOf('left') } as const
  expect(again.done('setTimer')).toEqual([{ type: 'setTimer', timer, delayMs: 100 }])
  expect(again.send({ type: 'timer', timer }).done('locateSplits').length).toBe(1)
})

test('a region restarts after its delay, when its attempts are gone, and no other is touched (R13)', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const [left, right] = steps.attempts()
  steps.fail(left as string)
  expect(steps.done('cancelAttempts')).toEqual([])
  const timer = { type: 'restartRegion', region: 0, number: 1 } as const
  expect(steps.done('setTimer')).toContainEqual({ type: 'setTimer', timer, delayMs: 100 })
  expect(jobStatus(steps.state, noMetrics)).toMatchObject({ state: 'RESTARTING', restarts: 1 })
  const [deployment] = steps.send({ type: 'timer', timer }).done('deploy')
  expect(deployment?.slots[0]?.subtasks.map(({ vertexId }) => vertexId)).toEqual([idOf('left')])
  expect(steps.attempts()).toContain(right)
  expect(steps.attempts()).not.toContain(left)
})

test('a report of an attempt of the past means nothing', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const [left] = steps.attempts()
  steps.fail(left as string)
  const before = steps.state
  expect(steps.fail(left as string).state).toEqual(before)
  expect(steps.attempt('running', left as string).state).toEqual(before)
})

test('a fatal error fails the job at once, whatever the restart strategy', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const [left, right] = steps.attempts()
  const error: ErrorData = { code: 'MR_KAFKA_OFFSET', message: 'out of range' }
  steps.fail(left as string, error)
  expect(steps.done('cancelAttempts')).toMatchObject([{ attempts: [{ attemptId: right }] }])
  expect(jobStatus(steps.state, noMetrics).state).toBe('FAILING')
  steps.attempt('canceled', right as string)
  expect(steps.done('jobEnded')).toEqual([{ type: 'jobEnded', outcome: 'FAILED', error }])
})

test('more failed checkpoints in a row than are tolerated restart every region', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  steps.send({ type: 'timer', timer: { type: 'checkpointDue', number: 1 } })
  expect(steps.done('beginCheckpoint').length).toBe(1)
  steps.send({ type: 'checkpointBeginFailed', error: { code: 'MR_STORAGE', message: 'no space' } })
  expect(steps.done('cancelAttempts').flatMap(({ attempts }) => attempts).length).toBe(2)
  expect(steps.state.lastFailure?.code).toBe('MR_CHECKPOINT_FAILURES')
  expect(steps.state.restarts).toBe(2)
})

test('found splits go to running subtasks at once, to those being deployed when they run, and stay for restarts', () => {
  const steps = new Steps(jobMasterOf(islands)).run(1000)
  const [left] = steps.attempts()
  const found = (id: string): JobMasterMessage => {
    return { type: 'splitsDiscovered', vertexId: idOf('left'), splits: [{ id, position: 0 }] }
  }
  steps.send(found('b'))
  expect(steps.done('toSlots')).toMatchObject([{ message: { type: 'addSplits', attemptId: left } }])
  steps.fail(left as string).send({ type: 'timer', timer: { type: 'restartRegion', region: 0, number: 1 } })
  expect(steps.done('deploy')[0]?.slots[0]?.subtasks[0]?.splits.map(({ id }) => id)).toEqual(['a', 'b'])
  expect(steps.send(found('c')).done('toSlots')).toEqual([])
  const again = steps.attempts().find((name) => name.endsWith('-3'))
  steps.attempt('running', again as string)
  expect(steps.done('toSlots')).toMatchObject([{ message: { type: 'addSplits', splits: [{ id: 'c' }] } }])
})

test('drain reaches subtasks that are deployed later', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const [left] = steps.attempts()
  expect(steps.send({ type: 'drainJob' }).done('toSlots')).toMatchObject([{ message: { type: 'drain' } }])
  expect(jobStatus(steps.state, noMetrics).state).toBe('DRAINING')
  steps.fail(left as string).send({ type: 'timer', timer: { type: 'restartRegion', region: 0, number: 1 } })
  const again = steps.attempts().find((name) => name.endsWith('-3'))
  expect(steps.attempt('running', again as string).done('toSlots')).toMatchObject([{ message: { type: 'drain' } }])
})

test('a lost TaskManager takes its attempts with it: their regions go on in other slots, from the newest checkpoint (R13)', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const error: ErrorData = { code: 'MR_SLOT_LOST', message: 'gone' }
  steps.send({ type: 'taskManagerLost', taskManager: 'tm', error })
  expect(steps.done('requestSlots')).toEqual([{ type: 'requestSlots', count: 1 }])
  for (const region of [0, 1]) steps.send({ type: 'timer', timer: { type: 'restartRegion', region, number: 2 } })
  expect(steps.done('deploy')).toEqual([])
  const other = { taskManager: 'other', slotIndex: 3, dataAddress: '' }
  steps.send({ type: 'slotsGranted', slots: [other] })
  expect(steps.done('prepareSlots')).toEqual([{ type: 'prepareSlots', slots: [other] }])
  expect(steps.done('deploy').flatMap(({ slots }) => slots.map(({ slot }) => slot))).toEqual([other, other])
  expect(jobStatus(steps.state, noMetrics)).toMatchObject({ restarts: 2, lastFailure: error })
})

test('a job that has lost a TaskManager fails where there are no other slots', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const error: ErrorData = { code: 'MR_SLOT_LOST', message: 'tm is gone' }
  steps.send({ type: 'taskManagerLost', taskManager: 'tm', error })
  steps.send({ type: 'slotsRefused', required: 1, available: 0 })
  expect(steps.done('jobEnded')).toMatchObject([{ outcome: 'FAILED', error: { code: 'MR_NOT_ENOUGH_SLOTS' } }])
  expect(steps.done('jobEnded')[0]?.error?.message).toContain('tm is gone')
})

test('counts of replaced attempts stay, lag and watermark are those of the current ones', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  const [left, right] = steps.attempts()
  const metrics = (name: string, vertex: string, change: Partial<SubtaskMetrics>): SubtaskMetrics => ({
    ...{ attemptId: attemptId(name), vertexId: idOf(vertex), subtaskIndex: 0, recordsIn: 0, recordsOut: 0 },
    ...{ sourceRecords: 10, sinkRecords: 5, lateRecordsDropped: 1, deadLetters: 0, lag: Number.NaN },
    ...{ watermark: Number.NEGATIVE_INFINITY, backpressured: false },
    ...change,
  })
  const report = (...subtasks: readonly SubtaskMetrics[]) =>
    ({ type: 'metrics', subtasks, heapUsedBytes: 100, managedUsedBytes: 10 }) as const
  let reported = withReport(noMetrics, 'tm/0', report(metrics('of the past', 'left', { lag: 99, watermark: 1 })))
  reported = withReport(reported, 'tm/0', report(metrics(left as string, 'left', { lag: 3, watermark: 700 })))
  reported = withReport(reported, 'tm/1', report(metrics(right as string, 'right', { watermark: 500 })))
  expect(jobMetrics(reported, steps.state)).toEqual({
    ...{ recordsIn: 30, recordsOut: 15, lateRecordsDropped: 3, deadLetters: 0 },
    ...{ lag: 3, watermark: 500, heapUsedBytes: 200, managedUsedBytes: 20 },
  })
})

/** A job that was suspended, and whose last checkpoint is complete with something to commit. */
function suspendedWithCommits(): Steps {
  const steps = new Steps(jobMasterOf(islands)).run().send({ type: 'suspendJob' })
  expect(steps.done('beginCheckpoint').length).toBe(1)
  const id = checkpointId(1)
  steps.send({ type: 'checkpointBegun', id })
  for (const name of steps.attempts()) {
    const manifest = { name, length: 1, checksum: 1 }
    const metrics = { alignmentMs: 0, pauseMs: 0, durationMs: 0, writtenBytes: 0 }
    const part = { manifest, splits: [], finished: false, hasCommittables: true, metrics }
    const event = { type: 'checkpointAcknowledged', attemptId: attemptId(name), checkpointId: id, ...part } as const
    steps.send({ type: 'attempt', event })
  }
  return steps.send({ type: 'checkpointCompleted', id })
}

test('while the last checkpoint of a suspended job is being committed, no other begins (R12)', () => {
  const steps = suspendedWithCommits()
  expect(steps.state.phase).toEqual({ type: 'suspending', stage: 'commits' })
  const number = steps.state.checkpoints?.timer ?? 0
  expect(steps.send({ type: 'timer', timer: { type: 'checkpointDue', number } }).effects).toEqual([])
})

test('a drain after a suspension sends no final watermark (R12)', () => {
  const steps = suspendedWithCommits()
  expect(steps.send({ type: 'drainJob' }).effects).toEqual([])
})

/** Deployed, and no attempt is running yet. */
function deploying(options: Parameters<typeof jobMasterOf>[1] = {}): Steps {
  const steps = new Steps(jobMasterOf(islands, options))
  return steps
    .send({ type: 'start' })
    .send({ type: 'slotsGranted', slots: [slot] })
    .locate()
}

test('a job that is suspended while it is deployed takes its last checkpoint as soon as it runs (R12)', () => {
  const steps = deploying().send({ type: 'suspendJob' })
  expect(steps.state.phase).toEqual({ type: 'suspending', stage: 'checkpoint' })
  const timer = { type: 'suspendTimeout' } as const
  expect(steps.done('setTimer')).toContainEqual({ type: 'setTimer', timer, delayMs: 10_000 })
  const [left, right] = steps.attempts() as [string, string]
  expect(steps.attempt('running', left).done('beginCheckpoint')).toEqual([])
  expect(steps.attempt('running', right).done('beginCheckpoint').length).toBe(1)
  expect(steps.send({ type: 'timer', timer }).state.phase).toEqual({ type: 'suspending', stage: 'checkpoint' })
})

test('a suspended job whose deployment takes too long says that there is no last checkpoint, and what comes next', () => {
  const { facts } = new Steps(jobMasterOf(islands)).state
  const restore: RestorePoint = { record: emptyRecord, blobStore: facts.blobStore, committed: true, ownRun: true }
  for (const [options, next] of [
    [{}, 'the next run begins anew'],
    [{ restore }, 'the next run goes on from checkpoint 3'],
  ] as const) {
    const steps = deploying(options).send({ type: 'suspendJob' })
    steps.send({ type: 'timer', timer: { type: 'suspendTimeout' } })
    expect(steps.state.phase).toMatchObject({ type: 'ending', outcome: 'SUSPENDED' })
    const { error } = steps.state.phase as { error?: ErrorData }
    expect(error?.message).toContain(`no last checkpoint was taken, and ${next}`)
  }
})

test('a job that is suspended while it restarts says that there is no last checkpoint, and why it restarts', () => {
  const steps = new Steps(jobMasterOf(islands)).run()
  steps.fail(steps.attempts()[0] as string).send({ type: 'suspendJob' })
  expect(steps.state.phase).toMatchObject({
    outcome: 'SUSPENDED',
    error: {
      code: 'MR_USER_FUNCTION',
      message: 'no last checkpoint was taken, and the next run begins anew: threw',
    },
  })
})
