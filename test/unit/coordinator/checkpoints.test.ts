import { expect, test } from 'vitest'
import { attemptId, type CheckpointId, checkpointId, jobId } from '../../../src/common/ids.ts'
import {
  abortOpenCheckpoint,
  checkpointDeclined,
  checkpointTimedOut,
} from '../../../src/coordinator/checkpoints/abort.ts'
import { beginCheckpoint, checkpointBeginFailed, checkpointBegun } from '../../../src/coordinator/checkpoints/begin.ts'
import { markedCommitted, subtaskCommitted } from '../../../src/coordinator/checkpoints/commits.ts'
import {
  checkpointAcknowledged,
  checkpointCompleted,
  completionUndetermined,
  retryCompletion,
} from '../../../src/coordinator/checkpoints/complete.ts'
import { subtaskFinished } from '../../../src/coordinator/checkpoints/finished.ts'
import {
  type CheckpointEffect,
  type CheckpointFacts,
  type CheckpointParticipant,
  type CheckpointsState,
  newCheckpoints,
} from '../../../src/coordinator/checkpoints/state.ts'
import type { Decision } from '../../../src/coordinator/decision.ts'
import { executionGraph } from '../../../src/graph/execution-graph.ts'
import type { CheckpointingConfiguration } from '../../../src/graph/job-configuration.ts'
import { checkpointing, planOf } from './plans.ts'

const plan = planOf([
  { name: 'source', parallelism: 1, kind: 'source' },
  { name: 'sink', parallelism: 1, kind: 'sink', reads: { source: 'forward' } },
])

function factsWith(changes: Partial<CheckpointingConfiguration> = {}): CheckpointFacts {
  const settings = { ...checkpointing, ...changes }
  return { jobId: jobId('a'.repeat(32)), plan, graph: executionGraph(plan), settings }
}

const live = (name: string): CheckpointParticipant => ({ type: 'live', attemptId: attemptId(name) })
const finishedOne: CheckpointParticipant = { type: 'finished' }

/** The coordinator of a job of two subtasks, step by step; keeps what it wants done. */
class Coordinator {
  state: CheckpointsState = newCheckpoints(undefined, [])
  effects: CheckpointEffect[] = []
  nowMs = 0
  readonly facts: CheckpointFacts

  constructor(settings: Partial<CheckpointingConfiguration> = {}) {
    this.facts = factsWith(settings)
  }

  get now() {
    return { epochMs: this.nowMs + 1e12, monotonicMs: this.nowMs, random: 0.5 }
  }

  apply({ state, effects }: Decision<CheckpointsState, CheckpointEffect>): this {
    this.state = state
    this.effects = [...effects]
    return this
  }

  begin(id: number, participants: readonly CheckpointParticipant[] = [live('a'), live('b')]): this {
    this.apply(beginCheckpoint({ ...this.state, heldBack: false }))
    return this.apply(checkpointBegun(this.facts, this.state, { id: checkpointId(id), participants }, this.now))
  }

  acknowledge(id: number, attempt: string, part: { finished?: boolean; hasCommittables?: boolean } = {}): this {
    const record = {
      manifest: { name: `${attempt}/${id}`, length: 1, checksum: 0 },
      splits: [],
      finished: part.finished ?? false,
      hasCommittables: part.hasCommittables ?? false,
    }
    const metrics = { alignmentMs: 3, pauseMs: 1, durationMs: 5, writtenBytes: 100 }
    const ack = { attemptId: attemptId(attempt), checkpointId: checkpointId(id), record, metrics }
    return this.apply(checkpointAcknowledged(this.facts, this.state, ack, this.now))
  }

  complete(id: number): this {
    const completed = { id: checkpointId(id), finished: new Set<number>() }
    return this.apply(checkpointCompleted(this.facts, this.state, completed, this.now))
  }

  did(type: CheckpointEffect['type']): boolean {
    return this.effects.some((effect) => effect.type === type)
  }

  barrierBase(): CheckpointId | undefined {
    for (const effect of this.effects) if (effect.type === 'triggerCheckpoint') return effect.barrier.base
    return undefined
  }
}

test('nothing is triggered before the id is durable, and one checkpoint is open at a time (R2)', () => {
  const coordinator = new Coordinator().apply(beginCheckpoint(newCheckpoints(undefined, [])))
  expect(coordinator.effects).toEqual([{ type: 'beginCheckpoint' }])
  expect(beginCheckpoint(coordinator.state).effects).toEqual([])
  coordinator.begin(1)
  expect(coordinator.did('triggerCheckpoint')).toBe(true)
  expect(beginCheckpoint(coordinator.state).effects).toEqual([])
})

test('it is complete iff every expected acknowledgement of its attempts is there, once (I5)', () => {
  const coordinator = new Coordinator().begin(1)
  for (const [id, attempt] of [
    [1, 'a'],
    [1, 'a'],
    [1, 'stranger'],
    [2, 'b'],
  ] as const) {
    expect(coordinator.acknowledge(id, attempt).did('completeCheckpoint')).toBe(false)
  }
  expect(coordinator.acknowledge(1, 'b').did('completeCheckpoint')).toBe(true)
  expect(coordinator.acknowledge(1, 'b').effects).toEqual([])
  expect(coordinator.complete(1).did('announceCompleted')).toBe(true)
  expect(coordinator.complete(1).effects).toEqual([])
})

test('the base is the newest completed checkpoint, not an aborted one (R1)', () => {
  const coordinator = new Coordinator({ tolerableFailedCheckpoints: 9 }).begin(1)
  expect(coordinator.barrierBase()).toBe(0)
  coordinator.acknowledge(1, 'a').acknowledge(1, 'b').complete(1).begin(2)
  expect(coordinator.barrierBase()).toBe(1)
  const reason = { code: 'MR_USER_FUNCTION', message: 'threw' } as const
  coordinator.apply(abortOpenCheckpoint(coordinator.facts, coordinator.state, reason, coordinator.now))
  expect(coordinator.effects).toContainEqual({ type: 'announceAborted', checkpointId: 2, reason })
  coordinator.begin(3)
  expect(coordinator.barrierBase()).toBe(1)
  expect(coordinator.acknowledge(2, 'a').effects).toEqual([])
})

test('a checkpoint whose completion is undetermined is neither aborted nor followed by another, only written again (R3)', () => {
  const coordinator = new Coordinator().begin(1).acknowledge(1, 'a').acknowledge(1, 'b')
  const error = { code: 'MR_STORAGE', message: 'the disk is away' } as const
  const failure = { id: checkpointId(1), error }
  coordinator.apply(completionUndetermined(coordinator.facts, coordinator.state, failure, coordinator.now))
  expect(coordinator.effects.map(({ type }) => type)).toEqual(['setTimer'])
  coordinator.apply(abortOpenCheckpoint(coordinator.facts, coordinator.state, error, coordinator.now))
  expect(beginCheckpoint(coordinator.state).effects).toEqual([])
  coordinator.apply(retryCompletion(coordinator.state, checkpointId(1)))
  expect(coordinator.effects).toMatchObject([{ type: 'completeCheckpoint', repeated: true }])
  expect(coordinator.complete(1).did('announceCompleted')).toBe(true)
})

test('past the time limit of an undetermined completion the job can not go on (R3)', () => {
  const coordinator = new Coordinator({ timeoutMs: 1000 }).begin(1).acknowledge(1, 'a').acknowledge(1, 'b')
  coordinator.nowMs = 1000
  const failure = { id: checkpointId(1), error: { code: 'MR_STORAGE', message: 'the disk is away' } } as const
  coordinator.apply(completionUndetermined(coordinator.facts, coordinator.state, failure, coordinator.now))
  expect(coordinator.effects).toMatchObject([{ type: 'storageLost', error: { code: 'MR_STORAGE' } }])
})

test('a timeout names a subtask that is missing', () => {
  const coordinator = new Coordinator({ tolerableFailedCheckpoints: 1 }).begin(1).acknowledge(1, 'a')
  coordinator.apply(checkpointTimedOut(coordinator.facts, coordinator.state, checkpointId(1), coordinator.now))
  expect(coordinator.state.lastFailure?.message).toMatch(/1 of 2 subtasks .* such as subtask 0 of 'sink'/)
})

test('failures in a row are counted against the tolerable ones, a completed checkpoint starts anew, a region failure does not count', () => {
  const coordinator = new Coordinator({ tolerableFailedCheckpoints: 1 })
  const error = { code: 'MR_STORAGE', message: 'no space' } as const
  const decline = (id: number): Coordinator => {
    const declined = { attemptId: attemptId('a'), checkpointId: checkpointId(id), error }
    coordinator.begin(id)
    return coordinator.apply(checkpointDeclined(coordinator.facts, coordinator.state, declined, coordinator.now))
  }
  expect(decline(1).did('checkpointsFailed')).toBe(false)
  coordinator.begin(2).acknowledge(2, 'a').acknowledge(2, 'b').complete(2)
  expect(decline(3).did('checkpointsFailed')).toBe(false)
  coordinator.begin(4)
  coordinator.apply(abortOpenCheckpoint(coordinator.facts, coordinator.state, error, coordinator.now))
  expect(coordinator.did('checkpointsFailed')).toBe(false)
  expect(decline(5).effects).toContainEqual(
    expect.objectContaining({
      type: 'checkpointsFailed',
      error: expect.objectContaining({ code: 'MR_CHECKPOINT_FAILURES' }),
    }),
  )
})

test('a region failure while the id is being minted leaves the id unused', () => {
  const coordinator = new Coordinator().apply(beginCheckpoint(newCheckpoints(undefined, [])))
  const reason = { code: 'MR_USER_FUNCTION', message: 'threw' } as const
  coordinator.apply(abortOpenCheckpoint(coordinator.facts, coordinator.state, reason, coordinator.now))
  const begun = { id: checkpointId(1), participants: [live('a'), live('b')] }
  coordinator.apply(checkpointBegun(coordinator.facts, coordinator.state, begun, coordinator.now))
  expect(coordinator.did('triggerCheckpoint')).toBe(false)
  expect(coordinator.state.phase).toEqual({ type: 'idle' })
})

test('a store that can not begin a checkpoint is a failure of it', () => {
  const coordinator = new Coordinator().apply(beginCheckpoint(newCheckpoints(undefined, [])))
  const error = { code: 'MR_STORAGE', message: 'no space' } as const
  coordinator.apply(checkpointBeginFailed(coordinator.facts, coordinator.state, error, coordinator.now))
  expect(coordinator.did('checkpointsFailed')).toBe(true)
})

test('the next is due an interval after the start, and the minimum pause after the end', () => {
  const delayAfter = (minPauseMs: number): number => {
    const coordinator = new Coordinator({ intervalMs: 1000, minPauseMs }).begin(1).acknowledge(1, 'a')
    coordinator.nowMs = 700
    coordinator.acknowledge(1, 'b').complete(1)
    for (const effect of coordinator.effects) if (effect.type === 'setTimer') return effect.delayMs
    return -1
  }
  expect(delayAfter(0)).toBe(300)
  expect(delayAfter(500)).toBe(500)
})

test('the record is marked committed when every subtask that listed something has reported (R17)', () => {
  const coordinator = new Coordinator().begin(1).acknowledge(1, 'a').acknowledge(1, 'b', { hasCommittables: true })
  coordinator.complete(1)
  expect(coordinator.did('markCommitted')).toBe(false)
  coordinator.apply(subtaskCommitted(coordinator.state, { subtask: 0, checkpointId: checkpointId(1) }))
  expect(coordinator.did('markCommitted')).toBe(false)
  coordinator.apply(subtaskCommitted(coordinator.state, { subtask: 1, checkpointId: checkpointId(1) }))
  expect(coordinator.effects).toEqual([{ type: 'markCommitted', checkpointId: 1 }])
  coordinator.apply(markedCommitted(coordinator.state, checkpointId(1)))
  expect(coordinator.state.commits).toEqual({ type: 'settled' })
})

test('the part of a finished subtask is carried from record to record, and lists nothing any more (R4, R12)', () => {
  const coordinator = new Coordinator()
    .begin(1)
    .acknowledge(1, 'a', { finished: true })
    .acknowledge(1, 'b', { hasCommittables: true })
    .complete(1)
  coordinator
    .begin(2, [finishedOne, live('b')])
    .acknowledge(2, 'b')
    .complete(2)
  coordinator
    .begin(3, [finishedOne, live('b')])
    .acknowledge(3, 'b')
    .complete(3)
  const parts = coordinator.state.latest?.vertices.map(({ subtasks }) => subtasks[0]?.manifest.name)
  expect(parts).toEqual(['a/1', 'b/3'])
})

test('a subtask that finishes while a checkpoint waits for it is carried forward, and the checkpoint completes', () => {
  const coordinator = new Coordinator().begin(1).acknowledge(1, 'a', { finished: true }).acknowledge(1, 'b').complete(1)
  coordinator.begin(2).acknowledge(2, 'b')
  coordinator.apply(subtaskFinished(coordinator.facts, coordinator.state, 0, coordinator.now))
  expect(coordinator.did('completeCheckpoint')).toBe(true)
})

test('retention follows each completion (R14)', () => {
  const coordinator = new Coordinator({ retained: 3 }).begin(1).acknowledge(1, 'a').acknowledge(1, 'b').complete(1)
  expect(coordinator.effects.at(-1)).toEqual({ type: 'retainCheckpoints', retained: 3 })
  expect(coordinator.state.last).toMatchObject({ id: 1, writtenBytes: 200, alignmentMs: 3, pauseMs: 1 })
})
