import { expect, test } from 'vitest'
import { Enumerators } from '../../../src/actors/enumerators.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import type { JobMasterMessage } from '../../../src/coordinator/job-master/messages.ts'
import { idOf } from '../coordinator/plans.ts'
import { RecordingCheckpointStore } from './recording-checkpoint-store.ts'

test('a source that is looked for again while the job ends gets no enumerator that nobody would close', async () => {
  const closing = Promise.withResolvers<void>()
  let created = 0
  const told: JobMasterMessage[] = []
  const enumerators = new Enumerators(
    () => {
      created++
      return {
        start: async () => [],
        restore: async () => [],
        discover: async () => [],
        checkpointCompleted: async () => {},
        close: () => closing.promise,
      }
    },
    { clock: systemClock, logger: silentLogger, starts: undefined },
    (message) => told.push(message),
  )
  const effect = {
    ...({ type: 'locateSplits', vertexId: idOf('source'), operatorName: 'source', parallelism: 1 } as const),
    ...{ description: { connector: 'test', options: null }, known: undefined },
  }
  await enumerators.locate(effect)
  const again = enumerators.locate(effect)
  const closed = enumerators.close()
  closing.resolve()
  await Promise.all([again, closed])
  expect({ created, told: told.length }).toEqual({ created: 1, told: 1 })
})

test('a first start is recorded before it is told, and a run that goes on before its first checkpoint starts there (R18)', async () => {
  const starts = new RecordingCheckpointStore()
  const calls: string[] = []
  const located = async (end: string) => {
    const told: JobMasterMessage[] = []
    const enumerators = new Enumerators(
      () => ({
        start: async () => [{ id: 'ads-0', position: end }],
        restore: async (known) => {
          calls.push('restore')
          return known
        },
        discover: async () => [],
        checkpointCompleted: async () => {},
        close: async () => {},
      }),
      { clock: systemClock, logger: silentLogger, starts },
      (message) => {
        calls.push(`told with ${starts.starts.size} recorded`)
        told.push(message)
      },
    )
    await enumerators.locate({
      ...({ type: 'locateSplits', vertexId: idOf('source'), operatorName: 'source', parallelism: 1 } as const),
      ...{ description: { connector: 'test', options: null }, known: undefined },
    })
    return told
  }
  // `latest` has moved on when the second process asks.
  const [first] = await located('offset 7')
  const [second] = await located('offset 9')
  expect(first).toMatchObject({ type: 'splitsLocated', splits: [{ position: 'offset 7' }] })
  expect(second).toMatchObject({ type: 'splitsLocated', splits: [{ position: 'offset 7' }] })
  expect(calls).toEqual(['told with 1 recorded', 'restore', 'told with 1 recorded'])
})
