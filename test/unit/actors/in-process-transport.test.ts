import { expect, test } from 'vitest'
import { InProcessTransport } from '../../../src/actors/transport/in-process.ts'
import { transportConformance } from './transport-conformance.ts'

transportConformance((options) => {
  const transport = new InProcessTransport(options)
  return { sending: transport, receiving: transport, settled: () => Promise.resolve() }
})

test('a sender is told at once that an inbox is full, or that there is none', () => {
  const transport = new InProcessTransport({ inboxCapacity: 2 })
  const connection = transport.connect('sender', 'token')
  expect(connection.send('a', 0)).toBe('unknown')
  transport.open('a', () => {})
  expect([1, 2, 3].map((body) => connection.send('a', body))).toEqual(['accepted', 'accepted', 'full'])
})

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
