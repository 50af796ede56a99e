import { expect, test } from 'vitest'
import type { SinkWriterContext } from '../../../src/api/sink.ts'
import { PrintSink } from '../../../src/connectors/print/print-sink.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** Takes what is written, and says so when the test wants it. */
class SlowOutput {
  text = ''
  readonly #pending: (() => void)[] = []

  write(text: string, written: () => void): void {
    this.text += text
    this.#pending.push(written)
  }

  takeAll(): void {
    for (const written of this.#pending.splice(0)) written()
  }
}

function writerOf(prefix: string, parallelism: number) {
  const output = new SlowOutput()
  let woken = 0
  const context: SinkWriterContext = {
    subtaskIndex: 1,
    parallelism,
    operatorName: 'Print',
    operatorUid: 'print',
    attemptId: 'attempt',
    clock: new VirtualClock(),
    checkpointing: undefined,
    jobName: 'job',
    transactionalIds: { mark: 16, request: () => {} },
    wake: () => {
      woken++
    },
    fail: (error) => {
      throw error
    },
  }
  return { writer: new PrintSink(prefix, output).createWriter(context), output, woken: () => woken }
}

test('a line is the record as JSON, text as it is, after the prefix and the number of the subtask', () => {
  const one = writerOf('', 1)
  one.writer.write({ a: 1n }, 0)
  one.writer.write('text', 0)
  expect(one.output.text).toBe('{"a":"1"}\ntext\n')
  const several = writerOf('', 2)
  several.writer.write(1, 0)
  expect(several.output.text).toBe('2> 1\n')
  const named = writerOf('sums', 2)
  named.writer.write(1, 0)
  expect(named.output.text).toBe('sums:2> 1\n')
})

test('a checkpoint, and the end of the input, wait until every line is written', async () => {
  const { writer, output } = writerOf('', 1)
  writer.write('one', 0)
  let prepared = false
  const preparing = writer.prepareCommit(1).then(() => {
    prepared = true
  })
  await Promise.resolve()
  expect(prepared).toBe(false)
  output.takeAll()
  await preparing
  expect(await writer.prepareCommit(2)).toEqual([])
})

test('a slow reader holds the job back', () => {
  const { writer, output, woken } = writerOf('', 1)
  writer.write('x'.repeat(70_000), 0)
  expect(writer.writable).toBe(false)
  output.takeAll()
  expect(writer.writable).toBe(true)
  expect(woken()).toBe(1)
})
