import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { deploymentId } from '../../../src/common/ids.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import type { DataNetwork } from '../../../src/network/data-network.ts'
import {
  announceFrame,
  creditsFrame,
  frameHeader,
  frameTypes,
  messageFrame,
  smallFrame,
} from '../../../src/network/frames.ts'
import { dialHandshake } from '../../../src/network/handshake.ts'
import { parseAddress, shakeHands } from '../../../src/network/sockets.ts'
import { frameBytes } from '../../../src/task/frame.ts'
import { QueuePort } from '../../../src/task/queue-port.ts'
import { listen, listenAll } from './cluster-of-networks.ts'
import { proxyTo } from './cuttable-proxy.ts'
import { eventually } from './eventually.ts'

const secret = 'the secret of the tests'
const deployment = deploymentId('deployment')
/** Short, so that nothing here takes long. */
const limits = { handshakeTimeoutMs: 100, maxBatchBytes: 1_000_000, maxUnprovenConnections: 8, awaitedDialMs: 5_000 }

function dialled(network: DataNetwork): Socket {
  const socket = connect(parseAddress(network.address))
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Somebody who knows the secret, by whatever name, and then may say anything. */
async function proved(network: DataNetwork, reached: string, name = 'task-manager/a'): Promise<Socket> {
  const socket = dialled(network)
  const handshake = dialHandshake({ taskManager: name, secret, nonce: Buffer.alloc(32, 9) }, reached)
  await new Promise<void>((resolve, reject) => {
    shakeHands(socket, handshake, { clock: systemClock, timeoutMs: 5000 }, { proved: () => resolve(), failed: reject })
  })
  socket.resume()
  return socket
}

/** Whether the other end closes it; it would stay open otherwise. */
async function closes(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.destroyed) await once(socket, 'close')
}

/** A link of b's to a, with what has arrived at its slot. */
function linkOf(network: DataNetwork, taskManager = 'task-manager/a') {
  const [slot, ours] = QueuePort.pair()
  const link = { deploymentId: deployment, jobSlot: 1, remoteJobSlot: 0, taskManager, dataAddress: '127.0.0.1:1' }
  network.connect(link, ours)
  const arrived: unknown[] = []
  slot.onArrival(() => {
    for (let message = slot.receive(); message !== undefined; message = slot.receive()) arrived.push(message)
  })
  return { slot, arrived }
}

/** A buffer as a slot sends it. */
function batchOf(channelNumber: number, content: string): ArrayBuffer {
  const buffer = new ArrayBuffer(16_384)
  new Int32Array(buffer, 0, 6).set([0, channelNumber, 0, 0, 0, 24 + content.length])
  Buffer.from(buffer).write(content, 24)
  return buffer
}

test('strangers get nowhere: wrong secrets, random bytes, silence, half a hello; honest ones are served all the time', async () => {
  const [a, b] = await listenAll(2, { limits })
  if (a === undefined || b === undefined) throw new Error('no networks')
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919) % 256))
  const strangers = Array.from({ length: 6 }, () => dialled(b.network))
  strangers[0]?.write(noise)
  strangers[1]?.write('GET / HTTP/1.1\r\n\r\n')
  strangers[2]?.write(Buffer.from('4d52444e000101', 'hex')) // half a header
  strangers[3]?.end()
  await expect(proved(b.network, 'task-manager/b', 'task-manager/z')).resolves.toBeDefined()
  const wrong = dialled(b.network)
  const handshake = dialHandshake(
    { taskManager: 'task-manager/a', secret: 'a guess', nonce: noise.subarray(0, 32) },
    'task-manager/b',
  )
  const failed = new Promise<Error>((resolve) => {
    shakeHands(
      wrong,
      handshake,
      { clock: systemClock, timeoutMs: 5000 },
      { proved: () => resolve(new Error('proved')), failed: resolve },
    )
  })
  expect((await failed).message).toMatch(/closed it/)
  for (const socket of strangers) await closes(socket)

  const left = linkOf(b.network)
  const [slot, ours] = QueuePort.pair()
  const link = { deploymentId: deployment, jobSlot: 0, remoteJobSlot: 1, taskManager: 'task-manager/b' }
  a.network.connect({ ...link, dataAddress: b.network.address }, ours)
  const batch = batchOf(0, 'honest')
  slot.post(batch, [batch])
  await eventually(() => left.arrived.length === 1)
})

test('more silent connections than may be unproven are closed at once', async () => {
  const network = await listen('task-manager/b', { limits: { ...limits, handshakeTimeoutMs: 60_000 } })
  const silent = Array.from({ length: limits.maxUnprovenConnections }, () => dialled(network))
  await Promise.all(silent.map((socket) => once(socket, 'data'))) // the greeting
  await closes(dialled(network))
  silent[0]?.destroy()
  await eventually(async () => {
    const socket = dialled(network)
    return (await Promise.race([once(socket, 'data'), once(socket, 'close')])).length === 1 && !socket.destroyed
  })
})

test('a dialler whose id is not the smaller one, or an id that is not here, is refused', async () => {
  const network = await listen('task-manager/b', { limits })
  await closes(await proved(network, 'task-manager/b', 'task-manager/z'))
  await expect(proved(network, 'task-manager/c')).rejects.toThrow(/closed it/)
})

const key = { deploymentId: deployment, jobSlot: 0, remoteJobSlot: 1 }
const hostileFrames: readonly [string, Buffer][] = [
  ['a frame of 4 GB', frameHeader(frameTypes.data, 1, 0xff_ff_ff_ff)],
  ['a control frame of 100 MB', frameHeader(frameTypes.credits, 1, 100_000_000)],
  ['an unknown type', smallFrame(99, 1, Buffer.alloc(3))],
  ['a message of no kind', smallFrame(frameTypes.message, 1, Buffer.alloc(20, 255))],
  ['credits that are cut', smallFrame(frameTypes.credits, 1, Buffer.alloc(7))],
  ['a barrier that is none', smallFrame(frameTypes.message, 1, Buffer.from('\x06\0\0\0\0{"id":-1}'))],
  ['the same announcement twice', Buffer.concat([announceFrame(4, key), announceFrame(5, key)])],
  ['random bytes', Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 7919 + 13) % 256))],
]

test.each(hostileFrames)(
  'somebody who knows the secret and sends %s loses the connection, and nothing reaches a slot',
  async (_, bytes) => {
    const network = await listen('task-manager/b', { limits })
    const lost: string[] = []
    network.onLost(({ error, deployments }) => lost.push(`${error.code} ${deployments}`))
    const { arrived } = linkOf(network)
    const socket = await proved(network, 'task-manager/b')
    socket.write(announceFrame(3, key))
    socket.write(bytes)
    await closes(socket)
    await eventually(() => lost.length > 0)
    expect(lost).toEqual(['MR_TASK_MANAGER_LOST deployment'])
    expect(arrived).toEqual([])
  },
)

test('what comes for links that are not known, and batches that are none, are dropped; the connection stays', async () => {
  const network = await listen('task-manager/b', { limits })
  const { arrived } = linkOf(network)
  const socket = await proved(network, 'task-manager/b')
  socket.write(announceFrame(3, key))
  for (const link of [0, 2, 77, 0xff_ff_ff_ff]) {
    socket.write(smallFrame(frameTypes.data, link, new Uint8Array(batchOf(0, 'injected'))))
    socket.write(messageFrame(link, { type: 'control', channelNumber: 0, item: { type: 'end' } }))
    socket.write(creditsFrame(link, [0, 1, 0xff_ff_ff_ff]))
    socket.write(smallFrame(frameTypes.withdraw, link + 100 > 0xff_ff_ff_ff ? 100 : link + 100, Buffer.alloc(0)))
  }
  // Too short for a header; and one that would be taken for a returned credit.
  socket.write(smallFrame(frameTypes.data, 1, Buffer.alloc(5)))
  socket.write(smallFrame(frameTypes.data, 1, Buffer.concat([Buffer.of(1, 0, 0, 0), Buffer.alloc(40)])))
  socket.write(smallFrame(frameTypes.data, 1, new Uint8Array(batchOf(6, 'honest'), 0, 30)))
  await eventually(() => arrived.length > 0)
  expect(arrived).toHaveLength(1)
  expect(Buffer.from(arrived[0] as ArrayBuffer).toString('latin1', 24, 30)).toBe('honest')
  expect(frameBytes(arrived[0] as ArrayBuffer)).toBe(30)
  expect(socket.destroyed).toBe(false)
})

test('a recorded conversation that is played again injects nothing (R28)', async () => {
  const [a, b] = await listenAll(2, { limits })
  if (a === undefined || b === undefined) throw new Error('no networks')
  const proxy = await proxyTo(b.network.address)
  const { arrived } = linkOf(b.network)
  const [slot, ours] = QueuePort.pair()
  const link = { deploymentId: deployment, jobSlot: 0, remoteJobSlot: 1, taskManager: 'task-manager/b' }
  a.network.connect({ ...link, dataAddress: proxy.address }, ours)
  const batch = batchOf(0, 'honest')
  slot.post(batch, [batch])
  await eventually(() => arrived.length === 1)
  const replay = dialled(b.network)
  for (const bytes of proxy.recorded[0]?.fromDialler ?? []) replay.write(bytes)
  await closes(replay)
  expect(arrived).toHaveLength(1)
})

test('a connection that is cut in the middle of a batch gives the slot nothing of it', async () => {
  const network = await listen('task-manager/b', { limits })
  const { arrived } = linkOf(network)
  const socket = await proved(network, 'task-manager/b')
  socket.write(announceFrame(3, key))
  const lost = new Promise((resolve) => {
    network.onLost(resolve)
  })
  socket.write(frameHeader(frameTypes.data, 1, 10_000))
  socket.write(Buffer.alloc(9_000))
  socket.end()
  await lost
  expect(arrived).toEqual([])
})
