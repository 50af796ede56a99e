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
  smallFrame,
} from '../../../src/network/frames.ts'
import { acceptHandshake, dialHandshake, type HandshakeStep } from '../../../src/network/handshake.ts'
import { damaged, damages, fuzzRuns, fuzzTimeoutMs, valueOrClearError } from './support.ts'

const limits = { maxBatchBytes: 2 ** 20, maxControlBytes: 2 ** 12 }

const message: fc.Arbitrary<CarriedMessage> = fc.oneof(
  fc.record({ type: fc.constant('open' as const), channelNumber: fc.nat(9), channelId: fc.constant(channelId('a.1')) }),
  fc.record({
    type: fc.constant('control' as const),
    channelNumber: fc.nat(9),
    item: fc.oneof(
      fc.record({ type: fc.constant('watermark' as const), watermark: fc.double() }),
      fc.constant({
        type: 'barrier',
        barrier: { id: checkpointId(3), base: checkpointId(2), kind: 'checkpoint' },
      } as const),
      fc.constantFrom({ type: 'idle' } as const, { type: 'active' } as const, { type: 'end' } as const),
    ),
  }),
)

const key = { deploymentId: deploymentId('deployment'), jobSlot: 3, remoteJobSlot: 8 }
const frame = fc.oneof(
  message.map((one) => messageFrame(1, one)),
  fc.array(fc.nat(9), { maxLength: 5 }).map((numbers) => creditsFrame(1, numbers)),
  fc.nat(9).map((number) => announceFrame(number, key)),
  fc
    .uint8Array({ maxLength: 100 })
    .map((bytes) => Buffer.concat([frameHeader(frameTypes.data, 1, bytes.length), bytes])),
  fc.constant(smallFrame(frameTypes.heartbeat, 0, Buffer.alloc(0))),
)

/** All that becomes of a stream short of handing it to a slot. */
function taken(stream: Buffer, pieces: readonly number[]): number {
  let allocated = 0
  const reader = new FrameReader(
    {
      room: (_, bytes) => {
        allocated += bytes
        return new ArrayBuffer(bytes)
      },
      batch: () => {},
      frame: (type, _, payload) => {
        if (type === frameTypes.message) readMessage(payload)
        if (type === frameTypes.credits) readCredits(payload)
        if (type === frameTypes.announce) readAnnouncement(payload)
      },
    },
    limits,
  )
  let at = 0
  for (let piece = 0; at < stream.length; piece++) {
    const size = pieces[piece % Math.max(1, pieces.length)] ?? stream.length
    reader.read(stream.subarray(at, at + size))
    at += size
  }
  return allocated
}

const pieceSizes = fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 4 })

test(
  'damaged frames of a data connection are read, or refused by a clear error, without more room than their limit a frame',
  () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), damages, pieceSizes, (frames, list, pieces) => {
        const stream = damaged(Buffer.concat(frames), list)
        const allocated = valueOrClearError(() => taken(stream, pieces), ['MR_DATA_CONNECTION'])
        expect(allocated?.value ?? 0).toBeLessThanOrEqual(8 * limits.maxBatchBytes)
      }),
      fuzzRuns(2000),
    )
  },
  fuzzTimeoutMs,
)

const handshakeOf = { secret: 'secret', nonce: Buffer.alloc(32, 1) }
const dialled = { ...handshakeOf, taskManager: 'task-manager/a' }
const accepted = { ...handshakeOf, nonce: Buffer.alloc(32, 2), taskManager: 'task-manager/b' }

test(
  'a damaged handshake proves nothing',
  () => {
    fc.assert(
      fc.property(damages, fc.boolean(), pieceSizes, (list, damagesHello, pieces) => {
        const dial = dialHandshake(dialled, accepted.taskManager)
        const accept = acceptHandshake(accepted)
        const hello = dial.receive(accept.greeting as Buffer).send as Buffer
        const original = damagesHello ? hello : (accept.receive(hello).send as Buffer)
        const bytes = damaged(original, list)
        if (bytes.subarray(0, original.length).equals(original)) return
        const end = damagesHello ? acceptHandshake(accepted) : dial
        const outcome = valueOrClearError((): HandshakeStep['type'] => {
          let type: HandshakeStep['type'] = 'waiting'
          let at = 0
          for (let piece = 0; at < bytes.length; piece++) {
            const size = pieces[piece % Math.max(1, pieces.length)] ?? bytes.length
            type = end.receive(bytes.subarray(at, at + size)).type
            at += size
          }
          return type
        }, ['MR_DATA_CONNECTION'])
        expect(outcome?.value).not.toBe('proved')
      }),
      fuzzRuns(1000),
    )
  },
  fuzzTimeoutMs,
)
