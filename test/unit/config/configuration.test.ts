import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  environmentLayer,
  flattenDocument,
  resolveConfiguration,
  variableOfKey,
} from '../../../src/config/configuration.ts'
import { options } from '../../../src/config/options.ts'
import { jobConfigurationKeys } from '../../../src/graph/resolve-configuration.ts'

test('flags win over the environment, and the environment over the file', () => {
  const resolved = resolveConfiguration([
    { origin: '-D', entries: [['parallelism.default', '8']] },
    environmentLayer({ MILLRACE_PARALLELISM_DEFAULT: '4', MILLRACE_STATE_CHECKPOINTS_NUM_RETAINED: '3', PATH: '/bin' }),
    flattenDocument({ parallelism: { default: 2 }, 'execution.checkpointing': { interval: '10s' } }, 'millrace.yaml'),
  ])
  expect(resolved).toEqual({
    'parallelism.default': 8,
    'state.checkpoints.num-retained': 3,
    'execution.checkpointing.interval': 10_000,
  })
})

test('an unknown key is refused with the key that was probably meant', () => {
  expect(() =>
    resolveConfiguration([{ origin: 'millrace.yaml', entries: [['taskmanager.numberOfSlots', '2']] }]),
  ).toThrow('millrace.yaml: there is no key taskmanager.numberOfSlots; did you mean taskmanager.numberOfTaskSlots?')
})

test('a wrong value names its layer, its key, the value and what is allowed', () => {
  expect(() => resolveConfiguration([{ origin: '-D', entries: [['parallelism.default', 'two']] }])).toThrow(
    '-D: parallelism.default: "two" is not allowed; it takes a whole number from 1 to 32768',
  )
  expect(() => resolveConfiguration([{ origin: '-D', entries: [['restart-strategy.type', 'sometimes']] }])).toThrow(
    'it takes one of none, fixed-delay, failure-rate, exponential-delay',
  )
})

test('an unknown MILLRACE_ variable is refused, so that a typing error is not silent', () => {
  expect(() => environmentLayer({ MILLRACE_PARALELISM_DEFAULT: '4' })).toThrow('MILLRACE_PARALELISM_DEFAULT')
})

test('sizes and durations are parsed to bytes and milliseconds', () => {
  const entries: [string, string][] = [
    ['taskmanager.memory.managed.size', '512mb'],
    ['execution.buffer-timeout.interval', '0'],
    ['execution.checkpointing.timeout', '2min'],
  ]
  expect(resolveConfiguration([{ origin: '-D', entries }])).toEqual({
    'taskmanager.memory.managed.size': 512 * 2 ** 20,
    'execution.buffer-timeout.interval': 0,
    'execution.checkpointing.timeout': 120_000,
  })
})

test('no two keys share a variable, and docs/configuration.md lists every key', () => {
  expect(new Set(options.map((option) => variableOfKey(option.key))).size).toBe(options.length)
  const page = readFileSync('docs/configuration.md', 'utf8')
  for (const option of options) expect(page).toContain(`\`${option.key}\``)
})

test('every setting of a job is a configuration key', () => {
  const keys = new Set(options.map((option) => option.key))
  expect(jobConfigurationKeys.filter((key) => !keys.has(key))).toEqual([])
})
