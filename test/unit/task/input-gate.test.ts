import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endWatermark } from '../../../src/common/timestamps.ts'
import { InputGate } from '../../../src/task/input-gate.ts'
import type { OutputChannel } from '../../../src/task/output-channel.ts'
import { barrier, localChannel, TestClock } from './support.ts'

function gateOf(channels: number, mode: 'exactly-once' | 'at-least-once' = 'exactly-once') {
  const ends = Array.from({ length: channels }, () => localChannel())
  const gate = new InputGate(
    ends.map(({ input }) => input),
    mode,
    new TestClock(),
  )
  return { gate, outputs: ends.map(({ output }) => output) }
}

/** Everything that the gate gives now, as text. */
function drain(gate: InputGate): string[] {
  const seen: string[] = []
  for (;;) {
    const event = gate.poll()
    switch (event.type) {
      case 'nothing':
        return seen
      case 'records':
        seen.push(...event.batch.values.slice(0, event.batch.count).map(String))
        gate.giveBack()
        break
      case 'barrier':
        seen.push(`barrier ${event.barrier.id}`)
        break
      case 'watermark':
        seen.push(`watermark ${event.watermark}`)
        break
      case 'progress':
        break
      default:
        seen.push(event.type)
    }
  }
}

function send(output: OutputChannel | undefined, ...values: unknown[]): void {
  for (const value of values) output?.add(value, 0)
  output?.flush()
}

test('channels are read in turn, so that none starves', () => {
  const { gate, outputs } = gateOf(2)
  for (const name of ['a', 'b', 'c']) send(outputs[0], name)
  send(outputs[1], 'x')
  expect(drain(gate)).toEqual(['a', 'x', 'b', 'c'])
})

test('records behind a barrier wait until all channels have delivered it', () => {
  const { gate, outputs } = gateOf(2)
  send(outputs[0], 'before 0')
  outputs[0]?.control({ type: 'barrier', barrier: barrier(1) })
  send(outputs[0], 'behind 0')
  send(outputs[1], 'before 1')
  expect(drain(gate)).toEqual(['before 0', 'before 1'])
  outputs[1]?.control({ type: 'barrier', barrier: barrier(1) })
  send(outputs[1], 'behind 1')
  const [first, ...rest] = drain(gate)
  expect(first).toBe('barrier 1')
  expect(rest.toSorted()).toEqual(['behind 0', 'behind 1'])
})

test('without alignment records behind a barrier are processed before the snapshot', () => {
  const { gate, outputs } = gateOf(2, 'at-least-once')
  outputs[0]?.control({ type: 'barrier', barrier: barrier(1) })
  send(outputs[0], 'behind 0')
  expect(drain(gate)).toEqual(['behind 0'])
  outputs[1]?.control({ type: 'barrier', barrier: barrier(1) })
  expect(drain(gate)).toEqual(['barrier 1'])
})

test('an aborted alignment lets the waiting records go on', () => {
  const { gate, outputs } = gateOf(2)
  outputs[0]?.control({ type: 'barrier', barrier: barrier(1) })
  send(outputs[0], 'behind')
  expect(drain(gate)).toEqual([])
  gate.aborted(1)
  expect(drain(gate)).toEqual(['behind'])
})

test('the end of the last channel brings the barrier, then the last watermark, then the end', () => {
  const { gate, outputs } = gateOf(2)
  outputs[0]?.control({ type: 'watermark', watermark: 9 })
  outputs[0]?.control({ type: 'barrier', barrier: barrier(1) })
  outputs[0]?.control({ type: 'end' })
  expect(drain(gate)).toEqual([])
  outputs[1]?.control({ type: 'end' })
  expect(drain(gate)).toEqual(['barrier 1', 'watermark 9', `watermark ${endWatermark}`, 'ended'])
  gate.trigger(barrier(2))
  expect(drain(gate)).toEqual(['barrier 2'])
  expect(drain(gate)).toEqual([])
})

test('a gate without channels ends at once and takes its triggers', () => {
  const { gate } = gateOf(0)
  expect(drain(gate)).toEqual([`watermark ${endWatermark}`, 'ended'])
  gate.trigger(barrier(1))
  expect(drain(gate)).toEqual(['barrier 1'])
})

test('a late barrier behind the end of a channel changes nothing (R12)', () => {
  const { gate, outputs } = gateOf(2)
  outputs[0]?.control({ type: 'end' })
  outputs[0]?.control({ type: 'barrier', barrier: barrier(1) })
  send(outputs[1], 'x')
  expect(drain(gate)).toEqual(['x'])
  outputs[1]?.control({ type: 'barrier', barrier: barrier(1) })
  expect(drain(gate)).toEqual(['barrier 1'])
})

test('watermarks that wait directly behind each other become one', () => {
  const { input, output } = localChannel()
  for (const watermark of [1, 2, 3]) output.control({ type: 'watermark', watermark })
  expect(input.length).toBe(1)
  expect(input.take()).toEqual({ type: 'watermark', watermark: 3 })
})

test('credits are used up by batches, come back when these are read, and an overflow is waited out (R33)', () => {
  const { gate, outputs } = gateOf(1)
  const [output] = outputs
  for (let batch = 0; batch < 10; batch++) send(output, batch)
  expect(output?.writable).toBe(false)
  const read = (batches: number): void => {
    for (let batch = 0; batch < batches; batch++) {
      expect(gate.poll().type).toBe('records')
      gate.giveBack()
    }
  }
  read(2)
  expect(output?.writable).toBe(false)
  read(1)
  expect(output?.writable).toBe(true)
})

test('a batch that was given back is let go of and filled again', () => {
  const { input, output } = localChannel()
  const value = { id: 1 }
  send(output, value)
  const batch = input.take()
  expect(batch).toMatchObject({ count: 1 })
  input.giveBack()
  expect(batch).toMatchObject({ count: 0, values: [undefined] })
})

// ---- barriers under any order of delivery ----

type Sent = { readonly kind: 'record' } | { readonly kind: 'barrier' } | { readonly kind: 'end' }

/** What one sender sends: records, the barriers 1, 2, 3 … in order (some may be missing: aborted before it), then its end. */
const script = fc.array(fc.constantFrom<Sent>({ kind: 'record' }, { kind: 'record' }, { kind: 'barrier' }), {
  maxLength: 12,
})
const skips = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 2 })

test('whatever the order of delivery, a snapshot holds exactly what was sent before its barrier, and nothing hangs', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(script, skips, fc.boolean()), { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      (senders, choices) => {
        const { gate, outputs } = gateOf(senders.length)
        // Per channel: the values before each of its barriers.
        const before = senders.map(() => new Map<number, number>())
        const queues = senders.map(([items, skipped, ends], channel) => {
          let id = 0
          let records = 0
          const actions: (() => void)[] = []
          for (const item of items) {
            if (item.kind === 'record') {
              const value = `${channel}:${records++}`
              actions.push(() => send(outputs[channel], value))
            } else {
              id++
              if (skipped.includes(id)) continue
              const current = id
              before[channel]?.set(current, records)
              actions.push(() => outputs[channel]?.control({ type: 'barrier', barrier: barrier(current) }))
            }
          }
          if (ends) {
            before[channel]?.set(Number.POSITIVE_INFINITY, records)
            actions.push(() => outputs[channel]?.control({ type: 'end' }))
          }
          return actions
        })
        const processed = senders.map(() => 0)
        const snapshots: number[] = []
        const readSome = (): void => {
          for (const seen of drain(gate)) {
            if (seen.startsWith('barrier')) {
              const id = Number(seen.slice('barrier '.length))
              snapshots.push(id)
              processed.forEach((records, channel) => {
                const expected = before[channel]?.get(id) ?? before[channel]?.get(Number.POSITIVE_INFINITY)
                expect({ id, channel, records }).toEqual({ id, channel, records: expected })
              })
            } else if (seen.includes(':')) {
              const [channel, record] = seen.split(':').map(Number) as [number, number]
              expect(record).toBe(processed[channel])
              processed[channel] = record + 1
            }
          }
        }
        const iterator = choices[Symbol.iterator]()
        while (queues.some((queue) => queue.length > 0)) {
          const open = queues.filter((queue) => queue.length > 0)
          const choice = Number(iterator.next().value)
          open[choice % open.length]?.shift()?.()
          if (choice % 3 !== 0) readSome()
        }
        readSome()
        expect(snapshots).toEqual(snapshots.toSorted((left, right) => left - right))
        expect(new Set(snapshots).size).toBe(snapshots.length)
        // Where every channel has ended, none may be left blocked: everything is read.
        if (senders.every(([, , ends]) => ends)) {
          expect(processed).toEqual(before.map((records) => records.get(Number.POSITIVE_INFINITY)))
        }
      },
    ),
    { numRuns: 300 },
  )
})
