import { expect, test } from 'vitest'
import { valueStateDescriptor } from '../../../../src/api/descriptors.ts'
import type { KeyedProcessFunction } from '../../../../src/api/functions.ts'
import type { ValueState } from '../../../../src/api/state.ts'
import type { StateTtlConfig } from '../../../../src/api/state-ttl.ts'
import { boolean } from '../../../../src/formats/index.ts'
import { OperatorHarness } from '../../../../src/testing/index.ts'

const ttl: StateTtlConfig = { timeToLive: '1h', updateType: 'onReadAndWrite' }

function withoutDuplicates(): KeyedProcessFunction<string, string, string> {
  let seen: ValueState<boolean>
  return {
    open(context) {
      seen = context.valueState(valueStateDescriptor('seen', boolean(), { ttl }))
    },
    processElement(value, _context, out) {
      if (seen.value() === true) return
      seen.update(true)
      out.collect(value)
    },
  }
}

const minute = 60_000
const values = (harness: OperatorHarness<string, string>) => harness.output.map(({ value }) => value)

test('state of a function ends by the clock, also while the job does not run and at another parallelism', async () => {
  const harness = await OperatorHarness.keyedProcess(withoutDuplicates(), (value: string) => value)
  harness.processElement('a')
  harness.processElement('b')
  harness.advanceProcessingTime(50 * minute)
  harness.processElement('a')
  expect(values(harness)).toEqual(['a', 'b'])
  const snapshot = await harness.snapshot()
  harness.advanceProcessingTime(60 * minute)
  harness.processElement('b')
  harness.processElement('a')
  expect(values(harness)).toEqual(['a', 'b', 'b'])

  const seen: string[] = []
  for (const subtaskIndex of [0, 1]) {
    const restored = await OperatorHarness.keyedProcess(withoutDuplicates(), (value: string) => value, {
      restore: snapshot,
      startTimeMs: 70 * minute,
      subtaskIndex,
      parallelism: 2,
    })
    for (const value of ['a', 'b']) if (restored.owns(value)) restored.processElement(value)
    seen.push(...values(restored))
  }
  expect(seen).toEqual(['b'])
})
