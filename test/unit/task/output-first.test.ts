import { expect, test } from 'vitest'
import { attemptId } from '../../../src/common/ids.ts'
import { OutputFirst } from '../../../src/task/output-first.ts'
import type { FromSlot } from '../../../src/task/slot-protocol.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

class ThreadOutput {
  writableLength = 0
  readonly #waiting: (() => void)[] = []

  write(text: string, written: () => void): void {
    this.writableLength += text.length
    this.#waiting.push(written)
  }

  take(): void {
    this.writableLength = 0
    for (const written of this.#waiting.splice(0)) written()
  }
}

const finished: FromSlot = { type: 'finished', attemptId: attemptId('a') }
const ready: FromSlot = { type: 'ready' }

function outputFirst() {
  const sent: FromSlot[] = []
  const output = new ThreadOutput()
  const clock = new VirtualClock()
  return { sent, output, clock, first: new OutputFirst((message) => sent.push(message), [output], clock) }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

test('without output every message goes at once', () => {
  const { first, sent } = outputFirst()
  first.send(finished)
  expect(sent).toEqual([finished])
})

test('the end of an attempt, and what follows it, wait for what was printed', async () => {
  const { first, sent, output } = outputFirst()
  output.write('a line\n', () => {})
  first.send(ready)
  expect(sent).toEqual([ready])
  first.send(finished)
  first.send(ready)
  await settle()
  expect(sent).toEqual([ready])
  output.take()
  await settle()
  expect(sent).toEqual([ready, finished, ready])
})

test('a reader that does not read holds the end back for five seconds, no longer', async () => {
  const { first, sent, output, clock } = outputFirst()
  output.write('a line\n', () => {})
  first.send(finished)
  clock.advanceTo(clock.now() + 4999)
  await settle()
  expect(sent).toEqual([])
  clock.advanceTo(clock.now() + 1)
  await settle()
  expect(sent).toEqual([finished])
})
