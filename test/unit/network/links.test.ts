import { expect, test } from 'vitest'
import { deploymentId } from '../../../src/common/ids.ts'
import type { LostLinks } from '../../../src/network/remote-links.ts'
import { asCredit, channelNumberOf, isCredit } from '../../../src/task/frame.ts'
import { QueuePort } from '../../../src/task/queue-port.ts'
import { certificates } from '../connectors/kafka/certificates.ts'
import { listen, listenAll, type TestNetwork } from './cluster-of-networks.ts'
import { proxyTo } from './cuttable-proxy.ts'
import { eventually } from './eventually.ts'

/** One end of a link, as its slot has it. */
interface LinkEnd {
  readonly port: QueuePort
  readonly arrived: unknown[]
  isClosed: boolean
}

interface Linked {
  readonly deployment?: string
  readonly address?: string
}

/** A link between job slot 0 here and 1 there, or the other way round. */
function endOf(own: TestNetwork, other: TestNetwork, { deployment = 'd', address }: Linked = {}): LinkEnd {
  const [port, ours] = QueuePort.pair()
  const jobSlot = own.taskManager < other.taskManager ? 0 : 1
  own.network.connect(
    {
      deploymentId: deploymentId(deployment),
      jobSlot,
      remoteJobSlot: 1 - jobSlot,
      taskManager: other.taskManager,
      dataAddress: address ?? other.network.address,
    },
    ours,
  )
  const end: LinkEnd = { port, arrived: [], isClosed: false }
  port.onArrival(() => {
    for (let message = port.receive(); message !== undefined; message = port.receive()) end.arrived.push(message)
  })
  port.onClose(() => {
    end.isClosed = true
  })
  return end
}

function send(end: LinkEnd, channelNumber: number, bytes = 1000): void {
  const buffer = new ArrayBuffer(Math.max(16_384, bytes))
  new Int32Array(buffer, 0, 6).set([0, channelNumber, 0, 0, 0, bytes])
  end.port.post(buffer, [buffer])
}

async function pair(changes: Parameters<typeof listenAll>[1] = {}): Promise<readonly [TestNetwork, TestNetwork]> {
  const [a, b] = await listenAll(2, changes)
  if (a === undefined || b === undefined) throw new Error('no networks')
  return [a, b]
}

function lostOf({ network }: TestNetwork): LostLinks[] {
  const lost: LostLinks[] = []
  network.onLost((links) => lost.push(links))
  return lost
}

test('what is sent before the other end of a link is there waits, and credits come back with their buffers', async () => {
  const [a, b] = await pair()
  const left = endOf(a, b)
  send(left, 5)
  left.port.post({ type: 'control', channelNumber: 5, item: { type: 'end' } })
  const right = endOf(b, a)
  await eventually(() => right.arrived.length === 2)
  expect(right.arrived[1]).toEqual({ type: 'control', channelNumber: 5, item: { type: 'end' } })
  const credit = asCredit(right.arrived[0] as ArrayBuffer)
  right.port.post(credit, [credit])
  await eventually(() => left.arrived.length === 1)
  const returned = left.arrived[0] as ArrayBuffer
  expect([returned.byteLength, isCredit(returned), channelNumberOf(returned)]).toEqual([16_384, true, 5])
})

test('links of different deployments between the same slots are apart, and one that is closed closes its other end alone', async () => {
  const [a, b] = await pair()
  const [first, second] = [endOf(a, b, { deployment: 'one' }), endOf(a, b, { deployment: 'two' })]
  const [firstEnd, secondEnd] = [endOf(b, a, { deployment: 'one' }), endOf(b, a, { deployment: 'two' })]
  send(first, 1)
  send(second, 2)
  await eventually(() => firstEnd.arrived.length === 1 && secondEnd.arrived.length === 1)
  expect(channelNumberOf(secondEnd.arrived[0] as ArrayBuffer)).toBe(2)
  send(first, 3)
  first.port.close()
  await eventually(() => firstEnd.isClosed)
  expect(firstEnd.arrived).toHaveLength(2)
  expect(secondEnd.isClosed).toBe(false)
})

test('a batch that is too large fails its link and its deployment, and no other', async () => {
  const [a, b] = await pair({ limits: { maxBatchBytes: 20_000 } })
  const lost = lostOf(a)
  const [large, other] = [endOf(a, b, { deployment: 'large' }), endOf(a, b, { deployment: 'other' })]
  const [largeEnd, otherEnd] = [endOf(b, a, { deployment: 'large' }), endOf(b, a, { deployment: 'other' })]
  send(large, 0, 20_001)
  await eventually(() => largeEnd.isClosed)
  expect(lost).toMatchObject([{ deployments: ['large'], isPeerLost: false, error: { code: 'MR_BATCH_TOO_LARGE' } }])
  expect(largeEnd.arrived).toEqual([])
  send(other, 0)
  await eventually(() => otherEnd.arrived.length === 1)
})

test('a TaskManager that refuses connections, and one that does not dial, count as lost', async () => {
  const limits = { dialDelayMs: 1, awaitedDialMs: 20 }
  const [a, b] = await pair({ limits })
  const gone = { taskManager: 'task-manager/c', network: await listen('task-manager/c') }
  const { address } = gone.network
  await gone.network.close()
  const [lostByA, lostByB] = [lostOf(a), lostOf(b)]
  const refused = endOf(a, gone, { address })
  const awaited = endOf(b, a)
  await eventually(() => lostByA.length === 1 && lostByB.length === 1)
  expect(lostByA[0]).toMatchObject({ taskManager: 'task-manager/c', deployments: ['d'], isPeerLost: true })
  expect(lostByA[0]?.error.message).toMatch(/no data connection to task-manager\/c: .*ECONNREFUSED/)
  expect(lostByB[0]?.error.message).toMatch(/has not dialled within 20 ms/)
  expect([refused.isClosed, awaited.isClosed]).toEqual([true, true])
})

test('when a connection breaks, links over which nothing can have gone yet wait for the next one', async () => {
  const [a, b] = await pair()
  const proxy = await proxyTo(b.network.address)
  const { address } = proxy
  const lost = lostOf(b)
  const [old, young] = [endOf(a, b, { deployment: 'old', address }), endOf(a, b, { deployment: 'young', address })]
  const oldEnd = endOf(b, a, { deployment: 'old' })
  send(old, 1)
  send(young, 2)
  await eventually(() => oldEnd.arrived.length === 1)
  proxy.cut()
  await eventually(() => old.isClosed && oldEnd.isClosed)
  expect(young.isClosed).toBe(false)
  const youngEnd = endOf(b, a, { deployment: 'young' })
  await eventually(() => youngEnd.arrived.length === 1)
  expect(lost).toMatchObject([{ taskManager: 'task-manager/a', deployments: ['old'], isPeerLost: true }])
})

test('over TLS only those talk who have a certificate of the same authority', async () => {
  const { ca, serverCert: cert, serverKey: key } = certificates
  const [a, b] = await pair({ tls: { ca, cert, key, serverName: 'broker.test' } })
  const [left, right] = [endOf(a, b), endOf(b, a)]
  send(left, 1)
  await eventually(() => right.arrived.length === 1)
  const limits = { dialDelayMs: 1, dialAttempts: 1, handshakeTimeoutMs: 200 }
  const plain = { taskManager: 'task-manager/0', network: await listen('task-manager/0', { limits }) }
  const lost = lostOf(plain)
  endOf(plain, b)
  await eventually(() => lost.length === 1)
  expect(lost[0]).toMatchObject({ taskManager: 'task-manager/b', isPeerLost: true })
})
