import { afterAll, beforeAll, expect, test } from 'vitest'
import { RedisStreamsTransport } from '../../src/actors/transport/redis-streams.ts'
import { StreamClient } from '../../src/actors/transport/stream-client.ts'
import type { Delivery, Inbox } from '../../src/actors/transport/transport.ts'
import { type LeaderToken, leaderToken } from '../../src/common/ids.ts'
import type { Logger } from '../../src/common/logger.ts'
import { systemClock } from '../../src/common/system-ports.ts'
import { controlKeys } from '../../src/redis/control-keys.ts'
import { openRedis } from '../../src/redis/redis-connection.ts'
import { type ConformanceOptions, transportConformance } from '../unit/actors/transport-conformance.ts'
import { RedisServer } from './support/redis.ts'

let server: RedisServer
const transports: RedisStreamsTransport[] = []
let cluster = 0

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => logger }

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(async () => {
  await Promise.all(transports.map((transport) => transport.close()))
  await server.stop()
})

interface ProcessOptions extends ConformanceOptions {
  readonly token?: LeaderToken
  readonly capacity?: number
  readonly silenceMs?: number
  readonly onFenced?: () => void
}

/** The transport of a process of the present cluster. Addresses `leader…` live in the leader, all others in TaskManager `worker`. */
function transportOf(role: 'leader' | 'worker', options: ProcessOptions = {}): RedisStreamsTransport {
  const keys = controlKeys(`cluster-${cluster}`)
  const client = new StreamClient({
    open: () => openRedis({ urls: [server.url], key: 'high-availability.redis.url' }),
    clock: systemClock,
    leaderKey: keys.leader,
    leaderToken: () => options.token,
    capacity: options.capacity ?? 100_000,
  })
  const transport = new RedisStreamsTransport({
    client,
    clock: systemClock,
    logger,
    stream: role === 'leader' ? keys.leaderInbox : keys.inbox('worker'),
    position: '0-0',
    streamOf: (address) => (address.startsWith('leader') ? keys.leaderInbox : keys.inbox('worker')),
    leaderToken: () => options.token,
    admits: () => true,
    onFenced: options.onFenced ?? (() => {}),
    silenceMs: options.silenceMs ?? 60_000,
    ...(options.inboxCapacity === undefined ? {} : { inboxCapacity: options.inboxCapacity }),
    ...(options.fate === undefined ? {} : { fate: options.fate }),
  })
  transport.start()
  transports.push(transport)
  return transport
}

/** A cluster with a leader of that token and a registered TaskManager. */
async function newCluster(token: LeaderToken): Promise<void> {
  cluster++
  const keys = controlKeys(`cluster-${cluster}`)
  await server.client.set(keys.leader, token)
  await server.client.xadd(keys.inbox('worker'), '*', 'registered', '1')
}

/** All that was appended has been read by the other side. */
async function settled(reading: RedisStreamsTransport, sending: RedisStreamsTransport, stream: string): Promise<void> {
  await sending.idle()
  await waitFor(async () => {
    const [last] = await server.client.xrevrange(stream, '+', '-', 'COUNT', 1)
    return last === undefined || reading.position === last[0]
  })
}

async function waitFor(condition: () => Promise<boolean> | boolean, limitMs = 10_000): Promise<void> {
  const begun = performance.now()
  while (!(await condition())) {
    if (performance.now() - begun > limitMs) throw new Error('it did not happen in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function allOf(inbox: Inbox): readonly Delivery[] {
  const deliveries: Delivery[] = []
  for (let delivery = inbox.take(); delivery !== undefined; delivery = inbox.take()) deliveries.push(delivery)
  return deliveries
}

const bodiesOf = (deliveries: readonly Delivery[]): readonly unknown[] =>
  deliveries.map((delivery) => (delivery.type === 'message' ? delivery.envelope.body : delivery.type))

const token = leaderToken('nanoid:7')

transportConformance(async (options) => {
  await newCluster(token)
  const sending = transportOf('leader', { token, ...(options.fate === undefined ? {} : { fate: options.fate }) })
  const receiving = transportOf('worker', options)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  return { sending, receiving, settled: () => settled(receiving, sending, stream) }
})

test('a leader whose token is old writes nothing and is told so (I1)', async () => {
  await newCluster(leaderToken('other:8'))
  let fenced = 0
  const sending = transportOf('leader', { token, onFenced: () => fenced++ })
  sending.connect('leader', token).send('worker', 'an order of the old leader')
  await waitFor(() => fenced === 1)
  expect(await server.client.xlen(controlKeys(`cluster-${cluster}`).inbox('worker'))).toBe(1)
})

test('a stream that was deleted with its TaskManager is not made again (R22)', async () => {
  await newCluster(token)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  await server.client.del(stream)
  const sending = transportOf('leader', { token })
  sending.connect('leader', token).send('worker', 'too late')
  await sending.idle()
  expect(await server.client.exists(stream)).toBe(0)
})

test('what a full stream did not take is noticed by the numbers', async () => {
  await newCluster(token)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  const sending = transportOf('leader', { token, capacity: 3 })
  const connection = sending.connect('leader', token)
  for (const body of [1, 2, 3]) connection.send('worker', body)
  await sending.idle()
  await server.client.xtrim(
    stream,
    'MINID',
    (await server.client.xrevrange(stream, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0',
  )
  connection.send('worker', 4)
  const receiving = transportOf('worker')
  const inbox = receiving.open('worker', () => {})
  await settled(receiving, sending, stream)
  expect(bodiesOf(allOf(inbox)).slice(-2)).toEqual(['gap', 4])
})

test('a sender is told that messages of it may not have been appended: there may be no later one to notice it by (R22)', async () => {
  await newCluster(token)
  const sending = transportOf('leader', { token, capacity: 2 })
  const own = sending.open('leader', () => {})
  const other = sending.open('leader/other', () => {})
  const connection = sending.connect('leader', token)
  for (const body of [1, 2]) connection.send('worker', body)
  const told: Delivery[] = []
  await waitFor(() => {
    told.push(...allOf(own))
    return told.length > 0
  })
  expect(told).toEqual([{ type: 'interrupted', reason: 'a message of it may be lost' }])
  expect(allOf(other)).toEqual([])
})

test('a reader whose connections break goes on behind its position, and its actors are told (R22)', async () => {
  await newCluster(token)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  const sending = transportOf('leader', { token })
  const receiving = transportOf('worker')
  const inbox = receiving.open('worker', () => {})
  const connection = sending.connect('leader', token)
  connection.send('worker', 'before')
  await settled(receiving, sending, stream)
  await server.kill()
  await server.launch()
  const received: unknown[] = []
  await waitFor(() => {
    connection.send('worker', 'after')
    received.push(...bodiesOf(allOf(inbox)))
    return received.includes('after')
  })
  expect(received[0]).toBe('before')
  expect(received).toContain('interrupted')
}, 30_000)

test('a stream whose ids go back, or that is gone, is noticed after a silence (I12, F15)', async () => {
  await newCluster(token)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  const sending = transportOf('leader', { token })
  const receiving = transportOf('worker', { silenceMs: 100 })
  const inbox = receiving.open('worker', () => {})
  sending.connect('leader', token).send('worker', 'before')
  await settled(receiving, sending, stream)
  await server.client.del(stream)
  await server.client.xadd(stream, '1-1', 'registered', '1')
  const received: unknown[] = []
  await waitFor(() => {
    received.push(...bodiesOf(allOf(inbox)))
    return received.includes('interrupted')
  })
  sending.connect('leader', 'new numbers').send('worker', 'after')
  await waitFor(() => {
    received.push(...bodiesOf(allOf(inbox)))
    return received.includes('after')
  })
})

test('what the reader has taken is trimmed, by the leader alone', async () => {
  await newCluster(token)
  const stream = controlKeys(`cluster-${cluster}`).inbox('worker')
  const sending = transportOf('leader', { token })
  const receiving = transportOf('worker')
  receiving.open('worker', () => {})
  const connection = sending.connect('leader', token)
  for (let body = 0; body < 10; body++) connection.send('worker', body)
  await settled(receiving, sending, stream)
  await sending.trim(stream, receiving.position)
  expect(await server.client.xlen(stream)).toBe(1)
  await expect(receiving.trim(stream, receiving.position)).rejects.toThrow(/only a leader/)
})
