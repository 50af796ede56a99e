import { describe, expect, test } from 'vitest'
import { AsyncDataStream } from '../../../src/api/async-data-stream.ts'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { graphOf } from '../graph/sample-jobs.ts'
import { errorOf } from './error-of.ts'

const definition = (build: (env: StreamExecutionEnvironment) => unknown) => {
  const { code, message } = errorOf(() => graphOf((env) => void build(env)))
  expect(code).toBe('MR_JOB_DEFINITION')
  return message
}

// Types refuse these; a bundled job's are not checked.
describe('What can not work is refused where it is declared:', () => {
  test.each([
    ['connect', 'connect'],
    ['intervalJoin', 'intervalJoin'],
  ] as const)('%s of a keyed stream with another.', (_name, method) => {
    const message = definition((env) => {
      const numbers = env.fromSequence(1, 2)
      const keyed = numbers.keyBy((value) => value)
      return Reflect.apply(keyed[method], keyed, [numbers])
    })
    expect(message).toContain('one of the streams is keyed and the other is not')
  })

  test('connect of a stream with a keyed one.', () => {
    const message = definition((env) => {
      const numbers = env.fromSequence(1, 2)
      return numbers.connect(numbers.keyBy((value) => value) as never)
    })
    expect(message).toContain('one of the streams is keyed and the other is not')
  })

  test.each([
    ['onTimeout', { onTimeout: async () => [] }],
    ['retry.retryOn', { retry: { retryOn: async () => false } }],
    ['retry.retryOnResults', { retry: { retryOnResults: async () => false } }],
  ])('%s that is async.', (option, { retry, ...given }: Readonly<Record<string, object>>) => {
    const backoff = { type: 'fixed', delay: 1 }
    const options = { timeout: 1, ...given, ...(retry && { retry: { maxAttempts: 2, backoff, ...retry } }) }
    const message = definition((env) =>
      AsyncDataStream.orderedWait(env.fromSequence(1, 2), async (value) => [value], options as never),
    )
    expect(message).toContain(`${option} is async`)
  })

  test('bounds that are no whole milliseconds, as they were written.', () => {
    const message = definition((env) => {
      const keyed = env.fromSequence(1, 2).keyBy((value) => value)
      return keyed.intervalJoin(keyed).between(-0.5, 1)
    })
    expect(message).toContain('lower is -0.5; it has to be whole milliseconds')
  })
})
