import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ThreadPort } from '../../../src/task/thread-port.ts'

test('what was sent before the other end was closed can be received when it is told', async () => {
  const { port1, port2 } = new MessageChannel()
  const [ours, theirs] = [new ThreadPort(port1), new ThreadPort(port2)]
  const received: unknown[] = []
  const closed = new Promise<void>((resolve) => {
    ours.onClose(() => {
      for (let message = ours.receive(); message !== undefined; message = ours.receive()) received.push(message)
      resolve()
    })
  })
  theirs.post('one')
  theirs.post('two')
  theirs.close()
  await closed
  expect(received).toEqual(['one', 'two'])
})
