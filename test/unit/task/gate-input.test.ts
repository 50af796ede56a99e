import { expect, test } from 'vitest'
import { GateInput } from '../../../src/task/gate-input.ts'
import type { Operator } from '../../../src/task/operator.ts'
import { OperatorBase } from '../../../src/task/operators/operator-base.ts'
import { localChannel, TestClock } from './support.ts'

class Recording extends OperatorBase {
  readonly seen: unknown[] = []

  constructor() {
    super({ output: { processElement: () => {} }, operatorName: 'head', restoredWatermark: 0 } as never)
  }

  processElement(value: unknown, timestamp: number): void {
    if (value === 'bad' || (value as { readonly bad?: boolean }).bad === true) throw new Error('boom')
    this.seen.push([value, timestamp])
  }
}

class HashedRecording extends Recording {
  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    this.seen.push([value, timestamp, keyHash])
  }
}

function gateInput(head: Operator, hashed: boolean, keySelector?: (value: unknown) => unknown) {
  const { input, output } = localChannel(hashed)
  const gate = new GateInput({
    channels: [input],
    mode: 'exactly-once',
    clock: new TestClock(),
    receivers: [{ input: head, keySelector }],
    headName: 'head',
  })
  return { gate, output }
}

test('a batch is processed in one turn, with its timestamps, and its credit goes back', () => {
  const head = new Recording()
  const { gate, output } = gateInput(head, false)
  for (const value of ['a', 'b', 'c']) output.add(value, 5)
  for (let batch = 0; batch < 8; batch++) output.flush()
  expect(gate.poll()).toEqual({ type: 'progress' })
  expect(head.seen).toEqual([
    ['a', 5],
    ['b', 5],
    ['c', 5],
  ])
  expect(gate.recordsIn).toBe(3)
  expect(gate.poll()).toEqual({ type: 'nothing' })
})

test('the hash that was shipped reaches a head that takes it', () => {
  const head = new HashedRecording()
  const { gate, output } = gateInput(head, true)
  output.addHashed('a', 5, -7)
  output.flush()
  gate.poll()
  expect(head.seen).toEqual([['a', 5, -7]])
})

test('behind an exchange an error names the key and the record', () => {
  const { gate, output } = gateInput(new Recording(), false, (value) => (value as { readonly id: string }).id)
  output.add({ id: 'k', big: 1n, bad: true }, 0)
  output.flush()
  expect(() => gate.poll()).toThrow('the record of key "k" is {"id":"k","big":"1n","bad":true}')
})

test('a record that has no JSON still gives the message', () => {
  const { gate, output } = gateInput(new Recording(), false)
  const cyclic: { bad: boolean; self?: unknown } = { bad: true }
  cyclic.self = cyclic
  output.add(cyclic, 0)
  output.flush()
  expect(() => gate.poll()).toThrow(expect.objectContaining({ code: 'MR_USER_FUNCTION', operator: 'head' }))
})
