import { expect, test } from 'vitest'
import { Enumerators } from '../../../src/actors/enumerators.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import type { JobMasterMessage } from '../../../src/coordinator/job-master/messages.ts'
import { idOf } from '../coordinator/plans.ts'

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
    { clock: systemClock, logger: silentLogger },
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
