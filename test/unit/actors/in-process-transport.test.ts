import { expect, test } from 'vitest'
import { InProcessTransport } from '../../../src/actors/transport/in-process.ts'
import { transportConformance } from './transport-conformance.ts'

transportConformance((options) => new InProcessTransport(options))

test('with clone, what is no plain data can not be sent, and nothing is shared with the sender', () => {
  const transport = new InProcessTransport({ clone: true })
  const inbox = transport.open('a', () => {})
  const connection = transport.connect('sender', 'token')
  expect(() => connection.send('a', { action: () => {} })).toThrow(/could not be cloned/)
  const body = { count: 1 }
  const other = transport.connect('other', 'token')
  other.send('a', body)
  body.count = 2
  expect(inbox.take()).toMatchObject({ envelope: { body: { count: 1 } } })
})
