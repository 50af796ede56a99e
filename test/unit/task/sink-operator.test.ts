import { expect, test } from 'vitest'
import type { Committable, Sink, SinkWriter } from '../../../src/api/sink.ts'
import { noWatermark } from '../../../src/common/timestamps.ts'
import { OperatorStateBackend } from '../../../src/state/operator-state-backend.ts'
import { DeadLetterOutput } from '../../../src/task/dead-letter-output.ts'
import { GuardedOperator } from '../../../src/task/guarded-operator.ts'
import type { OperatorContext, PendingCommittables } from '../../../src/task/operator.ts'
import { SinkOperator } from '../../../src/task/sink-operator.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { barrier } from './support.ts'

/** Prepares what was written since the last barrier; commits and failures as the test wants them. */
class ScriptedWriter implements SinkWriter<unknown> {
  writable = true
  readonly committed: Committable[] = []
  readonly discarded: Committable[] = []
  readonly closed: string[] = []
  written: Committable[] = []
  prepare: () => Promise<void> = async () => {}
  failCommit: Error | undefined
  readonly told: string[] = []

  write(value: unknown): void {
    this.written.push(value as Committable)
  }

  async prepareCommit(): Promise<readonly Committable[]> {
    const cut = this.written
    this.written = []
    await this.prepare()
    return cut
  }

  async commit(committables: readonly Committable[]): Promise<void> {
    if (this.failCommit !== undefined) throw this.failCommit
    this.committed.push(...committables)
  }

  transactionalIdsGranted(mark: number): void {
    this.told.push(`granted ${mark}`)
  }

  async fence(transactionalIds: readonly string[]): Promise<void> {
    this.told.push(`fence ${transactionalIds.join(' ')}`)
  }

  abandon(): void {
    this.told.push('abandon')
  }

  discard(committables: readonly Committable[]): void {
    this.discarded.push(...committables)
  }

  async close(): Promise<void> {
    this.closed.push(`closed after ${this.committed.length}`)
  }
}

function sinkOf(restoredCommittables: readonly PendingCommittables[] = []) {
  const writer = new ScriptedWriter()
  const failures: unknown[] = []
  const sink: Sink<unknown> = {
    connector: 'scripted',
    deliveryGuarantee: 'exactly-once',
    createWriter: () => writer,
  }
  const metrics = { recordsIn: 0, recordsOut: 0, lateRecordsDropped: 0, deadLetters: 0 }
  const context: OperatorContext = {
    operatorName: 'out',
    operatorUid: 'out',
    attemptId: 'attempt',
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 128,
    clock: new VirtualClock(),
    checkpointing: undefined,
    jobName: 'job',
    transactionalIds: { mark: 16, request: () => {} },
    autoWatermarkIntervalMs: 200,
    output: { processElement: () => {} },
    sideOutput: () => undefined,
    keySelector: undefined,
    keyedState: undefined,
    operatorState: new OperatorStateBackend('out'),
    restoredCommittables,
    restoredWatermark: noWatermark,
    metrics,
    wake: () => {},
    fail: (error) => failures.push(error),
  }
  const operator = new SinkOperator(sink, context)
  const write = (...values: string[]): void => {
    for (const value of values) operator.processElement(value, 0)
  }
  return { writer, operator, context, failures, metrics, write }
}

test('a checkpoint commits what its barrier cut off, not what came behind it', async () => {
  const { writer, operator, write, metrics } = sinkOf()
  write('a', 'b')
  const { committables } = operator.snapshot(barrier(1))
  write('c')
  expect(await committables).toEqual([{ checkpointId: 1, committables: ['a', 'b'] }])
  await operator.checkpointCompleted(1)
  expect(writer.committed).toEqual(['a', 'b'])
  expect(metrics.recordsIn).toBe(3)
})

test('lists of aborted checkpoints stay in the next ones, and completing one commits all up to it (R16)', async () => {
  const { writer, operator, write } = sinkOf()
  write('a')
  await operator.snapshot(barrier(1)).committables
  write('b')
  expect(await operator.snapshot(barrier(2)).committables).toEqual([
    { checkpointId: 1, committables: ['a'] },
    { checkpointId: 2, committables: ['b'] },
  ])
  write('c')
  await operator.snapshot(barrier(3)).committables
  await operator.checkpointCompleted(2)
  expect(writer.committed).toEqual(['a', 'b'])
  expect(await operator.snapshot(barrier(4)).committables).toEqual([{ checkpointId: 3, committables: ['c'] }])
})

test('a snapshot waits for the preparations before it, and keeps their order', async () => {
  const { writer, operator, write } = sinkOf()
  let release: () => void = () => {}
  writer.prepare = () => new Promise((resolve) => (release = resolve))
  write('slow')
  const first = operator.snapshot(barrier(1)).committables
  writer.prepare = async () => {}
  write('fast')
  const second = operator.snapshot(barrier(2)).committables
  release()
  expect(await second).toEqual([
    { checkpointId: 1, committables: ['slow'] },
    { checkpointId: 2, committables: ['fast'] },
  ])
  expect(await first).toEqual([{ checkpointId: 1, committables: ['slow'] }])
})

test('restored lists are committed first, and once', async () => {
  const { writer, operator, write } = sinkOf([{ checkpointId: 4, committables: ['old'] }])
  await operator.checkpointCompleted(4)
  write('new')
  await operator.snapshot(barrier(5)).committables
  await operator.checkpointCompleted(5)
  expect(writer.committed).toEqual(['old', 'new'])
})

test('an interval without records lists nothing', async () => {
  const { operator } = sinkOf()
  expect(await operator.snapshot(barrier(1)).committables).toEqual([])
})

test('what can not be prepared fails the task: no later checkpoint would hold it', async () => {
  const { writer, operator, failures, write } = sinkOf()
  writer.prepare = async () => {
    throw new Error('disk full')
  }
  write('a')
  await expect(operator.snapshot(barrier(1)).committables).rejects.toMatchObject({ code: 'MR_SINK', operator: 'out' })
  expect(failures).toHaveLength(1)
})

test('a failed commit keeps its list and says what failed', async () => {
  const { writer, operator, write } = sinkOf()
  write('a')
  await operator.snapshot(barrier(1)).committables
  writer.failCommit = new Error('no rights')
  await expect(operator.checkpointCompleted(1)).rejects.toThrow('sink "out" could not commit: no rights')
  expect(writer.committed).toEqual([])
})

test('without checkpointing everything is published at the end', async () => {
  const { writer, operator, write } = sinkOf()
  write('a', 'b')
  await operator.commitAtEnd()
  expect(writer.committed).toEqual(['a', 'b'])
})

test('a commit that has begun is finished before the writer is closed', async () => {
  const { writer, operator, write } = sinkOf()
  write('a')
  await operator.snapshot(barrier(1)).committables
  const committed = operator.checkpointCompleted(1)
  await operator.dispose()
  await committed
  expect(writer.closed).toEqual(['closed after 1'])
})

test('a writer that can take no more makes the operator unwritable', () => {
  const { writer, operator } = sinkOf()
  expect(operator.writable).toBe(true)
  writer.writable = false
  expect(operator.writable).toBe(false)
})

test('a sink with a dead-letter output hears of its transactional ids and of its end like any other (R15, R16)', async () => {
  const { writer, operator, context, metrics } = sinkOf()
  const spec = { tag: { id: 'refused', type: { kind: 'untyped' } }, budget: undefined } as const
  const guarded = new GuardedOperator({
    context,
    deadLetters: new DeadLetterOutput({ spec, operatorName: 'out', receiver: undefined, metrics }),
    secondKeySelector: undefined,
    sourceRecord: () => undefined,
    createOperator: () => operator,
  })
  guarded.transactionalIdsGranted(32)
  await guarded.fenceTransactions(['a-1', 'a-2'])
  guarded.abandon()
  expect(writer.told).toEqual(['granted 32', 'fence a-1 a-2', 'abandon'])
  guarded.processElement('unlisted', 0)
  await guarded.snapshot(barrier(1)).committables
  guarded.checkpointsEnded(0)
  await guarded.dispose()
  expect(writer.discarded).toEqual(['unlisted'])
})

test('when the job has ended, own lists that no completed checkpoint has are discarded, and only those (R16)', async () => {
  // Restored of another run: its ids say nothing about this run's checkpoints.
  const { writer, operator, write } = sinkOf([{ checkpointId: 40, committables: ['restored'] }])
  for (const [index, value] of ['a', 'b', 'c'].entries()) {
    write(value)
    await operator.snapshot(barrier(index + 1)).committables
  }
  operator.checkpointsEnded(2)
  await operator.dispose()
  expect(writer.discarded).toEqual(['c'])
  expect(writer.closed).toEqual(['closed after 0'])
})

test('an attempt that ends while checkpoints may still complete discards nothing (R16)', async () => {
  const { writer, operator, write } = sinkOf()
  write('a')
  await operator.snapshot(barrier(1)).committables
  await operator.dispose()
  expect(writer.discarded).toEqual([])
})
