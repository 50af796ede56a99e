import fc from 'fast-check'
import { expect, test } from 'vitest'
import { channelId, checkpointId, deploymentId } from '../../../src/common/ids.ts'
import { FrameReader } from '../../../src/network/frame-reader.ts'
import {
  announceFrame,
  type CarriedMessage,
  creditsFrame,
  frameHeader,
  frameTypes,
  messageFrame,
  readAnnouncement,
  readCredits,
  readMessage,
} from '../../../src/network/frames.ts'

const limits = { maxBatchBytes: 100_000, maxControlBytes: 5_000 }

/** What a reader makes of a stream that arrives in pieces; batches for odd links are not wanted. */
function read(stream: Buffer, pieces: readonly number[]) {
  const frames: string[] = []
  const reader = new FrameReader(
    {
      room: (link, bytes) => (link % 2 === 1 ? undefined : new ArrayBuffer(bytes)),
      batch: (link, buffer) => frames.push(`batch ${link} ${Buffer.from(buffer).toString('hex')}`),
      frame: (type, link, payload) => frames.push(`${type} ${link} ${payload.toString('hex')}`),
    },
    limits,
  )
  let at = 0
  for (let piece = 0; at < stream.length; piece++) {
    const size = pieces[piece % Math.max(1, pieces.length)] ?? stream.length
    reader.read(stream.subarray(at, at + size))
    at += size
  }
  return frames
}

const frame = fc.record({
  type: fc.constantFrom<number>(...Object.values(frameTypes), 77),
  link: fc.nat(6),
  payload: fc.uint8Array({ maxLength: 60 }),
})

test('frames are read alike however the stream is cut; batches of unknown links are skipped', () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), pieces, (list, sizes) => {
      const stream = list.flatMap(({ type, link, payload }) => [frameHeader(type, link, payload.length), payload])
      const expected = list.flatMap(({ type, link, payload }) => {
        const hex = Buffer.from(payload).toString('hex')
        if (type !== frameTypes.data) return [`${type} ${link} ${hex}`]
        return link % 2 === 1 ? [] : [`batch ${link} ${hex}`]
      })
      expect(read(Buffer.concat(stream), sizes)).toEqual(expected)
    }),
    { numRuns: 200 },
  )
})

test('a frame that is larger than its kind may be is refused by its header, before there is room for it', () => {
  for (const type of [frameTypes.data, frameTypes.message]) {
    let rooms = 0
    const reader = new FrameReader(
      {
        room: () => {
          rooms++
          return undefined
        },
        batch: () => {},
        frame: () => {},
      },
      limits,
    )
    expect(() => reader.read(frameHeader(type, 0, 0xff_ff_ff_ff))).toThrow(/4294967295 bytes/)
    expect(rooms).toBe(0)
  }
})

const bodyOf = (bytes: Buffer): Buffer => bytes.subarray(12)

test('messages, credits and announcements arrive as they were sent', () => {
  const channelNumber = 3
  const items = [
    { type: 'watermark', watermark: Number.NEGATIVE_INFINITY },
    { type: 'watermark', watermark: 1_700_000_000_000.5 },
    { type: 'watermark', watermark: Number.POSITIVE_INFINITY },
    { type: 'barrier', barrier: { id: checkpointId(2 ** 40), base: checkpointId(7), kind: 'checkpoint' } },
    { type: 'idle' },
    { type: 'active' },
    { type: 'end' },
  ] as const
  const messages: readonly CarriedMessage[] = [
    { type: 'open', channelNumber, channelId: channelId('attempt.7') },
    ...items.map((item) => ({ type: 'control', channelNumber, item }) as const),
  ]
  for (const message of messages) expect(readMessage(bodyOf(messageFrame(9, message)))).toEqual(message)
  expect(readCredits(bodyOf(creditsFrame(9, [0, 5, 5])))).toEqual([0, 5, 5])
  const key = { deploymentId: deploymentId('d-1'), jobSlot: 4, remoteJobSlot: 6 }
  // The other end has it the other way round.
  expect(readAnnouncement(bodyOf(announceFrame(9, key)))).toEqual({ ...key, jobSlot: 6, remoteJobSlot: 4 })
})
