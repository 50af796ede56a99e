import { expect, test } from 'vitest'
import { channelId } from '../../../src/common/ids.ts'
import { hashKey } from '../../../src/common/key.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../../../src/common/key-groups.ts'
import { batchCodecOf } from '../../../src/formats/batch-codec.ts'
import type { Partitioner } from '../../../src/graph/stream-graph.ts'
import { createEdgeWriter, type EdgeWriter } from '../../../src/task/edge-writer.ts'
import { InputChannel, isControl } from '../../../src/task/input-channel.ts'
import { OutputChannel } from '../../../src/task/output-channel.ts'
import { PeerLink } from '../../../src/task/peer-link.ts'
import { QueuePort } from '../../../src/task/queue-port.ts'
import { barrier, localChannel } from './support.ts'

const untyped = { kind: 'untyped' } as const

function edge(partitioner: Partitioner, channelCount: number, subtaskIndex = 0) {
  const ends = Array.from({ length: channelCount }, () => localChannel(partitioner.kind === 'hash'))
  const writer = createEdgeWriter({
    partitioner,
    channels: ends.map(({ output }) => output),
    subtaskIndex,
    maxParallelism: 128,
    receiverName: 'count',
  })
  return { writer, inputs: ends.map(({ input }) => input) }
}

function write(writer: EdgeWriter, values: readonly unknown[]): void {
  for (const value of values) writer.receiver.processElement(value, 7)
  writer.flush()
}

/** Values and controls of a channel, in order. */
function read(input: InputChannel): unknown[] {
  const seen: unknown[] = []
  for (let item = input.take(); item !== undefined; item = input.take()) {
    if (isControl(item)) {
      seen.push(item.type)
    } else {
      seen.push(...item.values.slice(0, item.count))
      input.giveBack()
    }
  }
  return seen
}

test('a forward edge has one channel', () => {
  const { writer, inputs } = edge({ kind: 'forward' }, 1)
  write(writer, ['a', 'b'])
  expect(inputs.map(read)).toEqual([['a', 'b']])
  expect(() => edge({ kind: 'forward' }, 2)).toThrow('one channel')
})

test('a hash edge sends each key to the subtask of its key group, and the hash with it', () => {
  const { writer, inputs } = edge({ kind: 'hash', keySelector: (value) => value as string }, 3)
  const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`)
  write(writer, keys)
  inputs.forEach((input, subtask) => {
    const batch = input.take()
    if (batch === undefined || isControl(batch)) throw new Error('a batch')
    expect(batch.count).toBeGreaterThan(50)
    for (let at = 0; at < batch.count; at++) {
      const hash = hashKey(batch.values[at] as string)
      expect(batch.keyHashes?.[at]).toBe(hash)
      expect(batch.timestamps[at]).toBe(7)
      expect(subtaskOfKeyGroup(keyGroupOf(hash, 128), 3, 128)).toBe(subtask)
    }
  })
})

test('a key that is none names the operator that reads the edge', () => {
  const { writer } = edge({ kind: 'hash', keySelector: () => Number.NaN }, 2)
  expect(() => writer.receiver.processElement('x', 0)).toThrow(
    expect.objectContaining({ code: 'MR_KEY', operator: 'count' }),
  )
  const { writer: throwing } = edge(
    {
      kind: 'hash',
      keySelector: () => {
        throw new Error('no id')
      },
    },
    2,
  )
  expect(() => throwing.receiver.processElement('x', 0)).toThrow(
    expect.objectContaining({ code: 'MR_USER_FUNCTION', operator: 'count', message: expect.stringContaining('no id') }),
  )
})

test('a rebalance edge deals records out in turn, beginning with another receiver in each subtask', () => {
  const { writer, inputs } = edge({ kind: 'rebalance' }, 3, 4)
  write(writer, [1, 2, 3, 4])
  expect(inputs.map(read)).toEqual([[3], [1, 4], [2]])
})

test('a broadcast edge sends every record to every receiver', () => {
  const { writer, inputs } = edge({ kind: 'broadcast' }, 2)
  write(writer, ['a', 'b'])
  expect(inputs.map(read)).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ])
  expect(writer.shippedRecords).toBe(4)
})

test('control items go behind all records that were written before them', () => {
  const { writer, inputs } = edge({ kind: 'broadcast' }, 2)
  writer.receiver.processElement('before', 0)
  expect(writer.buffered).toBe(true)
  writer.control({ type: 'barrier', barrier: barrier(1) })
  writer.receiver.processElement('behind', 0)
  writer.control({ type: 'end' })
  expect(writer.buffered).toBe(false)
  expect(inputs.map(read)).toEqual([
    ['before', 'barrier', 'behind', 'end'],
    ['before', 'barrier', 'behind', 'end'],
  ])
})

test('a full batch is shipped at once', () => {
  const { writer, inputs } = edge({ kind: 'forward' }, 1)
  for (let index = 0; index < 1025; index++) writer.receiver.processElement(index, index)
  expect(inputs[0]?.length).toBe(2)
  expect(writer.buffered).toBe(true)
})

// ---- between slots ----

function remoteChannel(hashed: boolean) {
  const [near, far] = QueuePort.pair()
  const sender = new PeerLink(near, () => {})
  const receiver = new PeerLink(far, () => {})
  const input = new InputChannel()
  const id = channelId('c')
  receiver.addInput(id, input, batchCodecOf(untyped))
  const output = new OutputChannel(sender.openOutput(id, batchCodecOf(untyped)), hashed)
  return { sender, receiver, input, output }
}

test('a channel between slots carries values, timestamps and hashes, in order with what stands between', () => {
  const { receiver, input, output } = remoteChannel(true)
  output.addHashed({ id: 1 }, 10, -5)
  output.addHashed({ id: 2 }, Number.NEGATIVE_INFINITY, 6)
  output.control({ type: 'watermark', watermark: Number.POSITIVE_INFINITY })
  output.control({ type: 'end' })
  expect(receiver.poll()).toBe(true)
  const batch = input.take()
  if (batch === undefined || isControl(batch)) throw new Error('a batch')
  expect(batch.values).toEqual([{ id: 1 }, { id: 2 }])
  expect([...batch.timestamps]).toEqual([10, Number.NEGATIVE_INFINITY])
  expect([...(batch.keyHashes ?? [])]).toEqual([-5, 6])
  input.giveBack()
  expect(read(input)).toEqual(['watermark', 'end'])
})

test('the buffer that comes back is the credit, and is filled again', () => {
  const { sender, receiver, input, output } = remoteChannel(false)
  const lengths = [300, 3, 512]
  for (let round = 0; round < 20; round++) {
    const values = Array.from({ length: lengths[round % 3] as number }, (_, index) => `${round}-${index}`)
    for (const value of values) output.add(value, round)
    output.flush()
    receiver.poll()
    expect(read(input)).toEqual(values)
    sender.poll()
    expect(output.writable).toBe(true)
  }
  for (let batch = 0; batch < 8; batch++) {
    output.add(batch, 0)
    output.flush()
  }
  sender.poll()
  expect(output.writable).toBe(false)
  receiver.poll()
  expect(read(input)).toHaveLength(8)
  sender.poll()
  expect(output.writable).toBe(true)
})

test('an oversize record is one batch and one credit', () => {
  const { sender, receiver, input, output } = remoteChannel(false)
  const large = 'x'.repeat(3_000_000)
  for (let batch = 0; batch < 8; batch++) {
    output.add(large, 0)
    output.flush()
  }
  expect(output.writable).toBe(false)
  receiver.poll()
  expect(read(input)).toHaveLength(8)
  sender.poll()
  expect(output.writable).toBe(true)
})

test('what comes for a channel that is not known, or closed, is dropped (R28)', () => {
  const [near, far] = QueuePort.pair()
  const sender = new PeerLink(near, () => {})
  const receiver = new PeerLink(far, () => {})
  const output = new OutputChannel(sender.openOutput(channelId('unknown'), batchCodecOf(untyped)), false)
  output.add(1, 0)
  output.control({ type: 'end' })
  expect(receiver.poll()).toBe(true)
  const { receiver: other, input, output: open } = remoteChannel(false)
  input.close()
  open.add(1, 0)
  open.flush()
  other.poll()
  expect(input.length).toBe(0)
})
