import { describe, expect, test } from 'vitest'
import { buildJob, isJob, type JobBuilder, job } from '../../../src/api/job.ts'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import type { JobConfiguration } from '../../../src/graph/job-configuration.ts'
import type { ConfigurationValues } from '../../../src/graph/resolve-configuration.ts'
import { declaredSink } from '../graph/sample-jobs.ts'
import { errorOf } from './error-of.ts'

const sink = declaredSink()

function configurationOf(settings: JobBuilder, values: ConfigurationValues = {}): JobConfiguration {
  const definition = job('configured', (env, args) => {
    settings(env, args)
    env.fromSequence(1, 2).sinkTo(sink)
  })
  return buildJob(definition, [], values).configuration
}

describe('a job definition', () => {
  test('is recognised, also from another copy of the package', () => {
    expect(isJob(job('a', () => {}))).toBe(true)
    expect(isJob({ [Symbol.for('millrace.job')]: true, name: 'b', build() {} })).toBe(true)
    expect(isJob(() => {})).toBe(false)
    expect(isJob(undefined)).toBe(false)
  })

  test('has a name that can be a folder', () => {
    for (const name of ['', '.', '..', 'a/b', 'a\\b', 'a\nb', ' a', 'a.', 'x'.repeat(201)]) {
      expect(errorOf(() => job(name, () => {})).message, name).toContain('is not allowed')
    }
    expect(job('Views per campaign, 2', () => {}).name).toBe('Views per campaign, 2')
  })

  test('gets its arguments, which it can not change', () => {
    const seen: (readonly string[])[] = []
    const definition = job('arguments', (env, args) => {
      seen.push(args)
      env.fromSequence(1, Number(args[0])).sinkTo(sink)
    })
    buildJob(definition, ['7'])
    expect(seen).toEqual([['7']])
    expect(Object.isFrozen(seen[0])).toBe(true)
  })

  test('that throws is one error that names the job and the place', () => {
    const cause = new RangeError('out of luck')
    const error = errorOf(() =>
      buildJob(
        job('unlucky', () => {
          throw cause
        }),
      ),
    )
    expect(error.code).toBe('MR_JOB_DEFINITION')
    expect(error.message).toMatch(
      /^job 'unlucky' threw while it was built at .*test\/unit\/api\/job\.test\.ts:\d+: out of luck$/,
    )
    expect(error.cause).toBe(cause)
  })

  test('may not be async, and declares nothing after it is built', () => {
    expect(errorOf(() => buildJob(job('late', (async () => {}) as JobBuilder))).message).toContain(
      'its function is async',
    )
    let late = (): unknown => undefined
    buildJob(
      job('kept', (env) => {
        const numbers = env.fromSequence(1, 2)
        numbers.sinkTo(sink)
        late = () => numbers.map(String)
      }),
    )
    expect(errorOf(late).message).toContain('the job is already built')
  })
})

describe('settings', () => {
  test('have the documented defaults', () => {
    expect(configurationOf(() => {})).toEqual({
      parallelism: 1,
      maxParallelism: 128,
      bufferTimeoutMs: 5,
      autoWatermarkIntervalMs: 200,
      columns: 'auto',
      checkpointing: undefined,
      restartStrategy: { type: 'none' },
      cancellationTimeoutMs: 30_000,
    })
  })

  test('with checkpoints a job restarts by itself', () => {
    const configuration = configurationOf((env) => env.enableCheckpointing('1s'))
    expect(configuration.checkpointing).toEqual({
      intervalMs: 1000,
      mode: 'exactly-once',
      timeoutMs: 240_000,
      minPauseMs: 0,
      tolerableFailedCheckpoints: 0,
      retained: 2,
    })
    expect(configuration.restartStrategy).toEqual(RestartStrategies.exponentialDelay())
  })

  test('of the job win over the configuration', () => {
    const values = {
      'parallelism.default': '8',
      'pipeline.max-parallelism': 256,
      'execution.checkpointing.interval': '1min',
      'execution.checkpointing.min-pause': '2s',
      'execution.checkpointing.mode': 'AT_LEAST_ONCE',
    }
    const configuration = configurationOf(
      (env) => env.setParallelism(2).enableCheckpointing('5s', { retained: 3 }),
      values,
    )
    expect(configuration).toMatchObject({
      parallelism: 2,
      maxParallelism: 256,
      checkpointing: { intervalMs: 5000, minPauseMs: 2000, mode: 'at-least-once', retained: 3 },
    })
  })

  test('of the job among themselves: the later wins, configure included', () => {
    const first = configurationOf((env) => env.setParallelism(2).configure({ 'parallelism.default': 3 }))
    const second = configurationOf((env) => env.configure({ 'parallelism.default': 3 }).setParallelism(2))
    expect([first.parallelism, second.parallelism]).toEqual([3, 2])
  })

  const strategies = [
    RestartStrategies.none(),
    RestartStrategies.fixedDelay({ attempts: 3, delay: '10s' }),
    RestartStrategies.failureRate({ maxFailuresPerInterval: 2, failureRateInterval: '5min', delay: 0 }),
    RestartStrategies.exponentialDelay({ initialBackoff: 100, backoffMultiplier: 2, jitterFactor: 0 }),
  ]
  for (const strategy of strategies) {
    test(`a ${strategy.type} restart strategy comes out as it was set`, () => {
      expect(configurationOf((env) => env.setRestartStrategy(strategy)).restartStrategy).toEqual(strategy)
    })
  }

  const wrongValues: readonly (readonly [string, string | number, string])[] = [
    ['parallelism.default', 0, 'a whole number, 1 at least'],
    ['parallelism.default', 'many', 'a whole number, 1 at least'],
    ['pipeline.max-parallelism', 40_000, 'a whole number, 1 to 32768'],
    ['execution.checkpointing.interval', '0', 'whole milliseconds, 1 at least'],
    ['execution.checkpointing.interval', 'soon', 'is no duration'],
    ['restart-strategy.type', 'sometimes', 'one of none, fixed-delay, failure-rate, exponential-delay'],
    ['execution.buffer-timeout.interval', '-5ms', 'is no duration'],
  ]
  for (const [key, value, allowed] of wrongValues) {
    test(`${key} may not be ${value}`, () => {
      const error = errorOf(() => configurationOf(() => {}, { [key]: value }))
      expect(error.code).toBe('MR_CONFIGURATION')
      expect(error.message).toContain(key)
      expect(error.message).toContain(JSON.stringify(value))
      expect(error.message).toContain(allowed)
    })
  }

  test('that are wrong in the job name the call and its place', () => {
    const place = /\(declared at .*test\/unit\/api\/job\.test\.ts:\d+\)/
    for (const settings of [
      (env) => env.setParallelism(0),
      (env) => env.setMaxParallelism(100_000),
      (env) => env.enableCheckpointing(0),
      (env) => env.enableCheckpointing('1s', { retained: 0 }),
      (env) => env.setBufferTimeout('never'),
      (env) => env.configure({ 'taskmanager.numberOfTaskSlots': 4 } as never),
      (env) => env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: -1 })),
      (env) => env.setRestartStrategy(RestartStrategies.exponentialDelay({ backoffMultiplier: 1 })),
    ] satisfies JobBuilder[]) {
      const error = errorOf(() => configurationOf(settings))
      expect(error.code).toBe('MR_JOB_DEFINITION')
      expect(error.message).toMatch(place)
    }
  })
})
