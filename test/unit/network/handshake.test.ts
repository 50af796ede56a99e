import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  acceptHandshake,
  dialHandshake,
  type Handshake,
  type HandshakeStep,
  protocolVersion,
} from '../../../src/network/handshake.ts'

const nonceOf = (seed: number): Buffer => Buffer.alloc(32, seed)
const dialler = { taskManager: 'task-manager/a', secret: 'secret', nonce: nonceOf(1) }
const accepter = { taskManager: 'task-manager/b', secret: 'secret', nonce: nonceOf(2) }

/** Lets both ends talk, in pieces of the given sizes, until neither says anything more. */
function talk(one: Handshake, other: Handshake, pieces: readonly number[] = []) {
  const ends = [one, other] as const
  const inFlight: Buffer[] = [Buffer.alloc(0), Buffer.alloc(0)]
  const outcomes: (HandshakeStep | undefined)[] = [undefined, undefined]
  const transcript: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)]
  const say = (from: 0 | 1, bytes: Buffer | undefined): void => {
    if (bytes === undefined) return
    inFlight[1 - from] = Buffer.concat([inFlight[1 - from] as Buffer, bytes])
    transcript[from] = Buffer.concat([transcript[from], bytes])
  }
  say(0, one.greeting)
  say(1, other.greeting)
  for (let step = 0; inFlight.some((bytes) => bytes.length > 0); step++) {
    const to = (inFlight[0] as Buffer).length > 0 ? 0 : 1
    const waiting = inFlight[to] as Buffer
    const size = Math.min(waiting.length, pieces[step % Math.max(1, pieces.length)] ?? waiting.length)
    inFlight[to] = waiting.subarray(size)
    const result = ends[to].receive(waiting.subarray(0, size))
    if (result.type === 'proved') outcomes[to] = result
    say(to, result.send)
  }
  return { dialled: outcomes[0], accepted: outcomes[1], transcript }
}

test('both ends learn who the other is, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 8 }), (pieces) => {
      const { dialled, accepted } = talk(
        dialHandshake(dialler, accepter.taskManager),
        acceptHandshake(accepter),
        pieces,
      )
      expect(dialled).toMatchObject({ type: 'proved', peer: 'task-manager/b' })
      expect(accepted).toMatchObject({ type: 'proved', peer: 'task-manager/a' })
    }),
    { numRuns: 50 },
  )
})

test('what comes in one piece with the handshake is not lost', () => {
  const dial = dialHandshake(dialler, accepter.taskManager)
  const accept = acceptHandshake(accepter)
  const hello = dial.receive(accept.greeting as Buffer)
  const step = accept.receive(Buffer.concat([hello.send as Buffer, Buffer.from('first frames')]))
  expect(step).toMatchObject({ type: 'proved', rest: Buffer.from('first frames') })
  const answer = dial.receive(Buffer.concat([step.send as Buffer, Buffer.from('others')]))
  expect(answer).toMatchObject({ type: 'proved', rest: Buffer.from('others') })
})

test('a dialler that does not know the secret is refused, and has got no proof', () => {
  const accept = acceptHandshake(accepter)
  const dial = dialHandshake({ ...dialler, secret: 'a guess' }, accepter.taskManager)
  const hello = dial.receive(accept.greeting as Buffer)
  expect(() => accept.receive(hello.send as Buffer)).toThrow(/cluster-secret/)
})

test('an accepter that does not know the secret is refused', () => {
  const dial = dialHandshake(dialler, accepter.taskManager)
  const stranger = acceptHandshake({ ...accepter, secret: 'a guess' })
  const hello = dial.receive(stranger.greeting as Buffer).send as Buffer
  // It can not check the proof, and hands it back as its own, or makes one up.
  const header = hello.subarray(0, 8)
  expect(() => dial.receive(Buffer.concat([header, hello.subarray(-32)]))).toThrow(/cluster-secret/)
  const again = dialHandshake(dialler, accepter.taskManager)
  again.receive(stranger.greeting as Buffer)
  expect(() => again.receive(Buffer.concat([header, Buffer.alloc(32)]))).toThrow(/cluster-secret/)
})

test('a recorded handshake proves nothing to an accepter with another nonce', () => {
  const { transcript } = talk(dialHandshake(dialler, accepter.taskManager), acceptHandshake(accepter))
  const later = acceptHandshake({ ...accepter, nonce: nonceOf(3) })
  expect(() => later.receive(transcript[0])).toThrow(/cluster-secret/)
})

test('a recorded answer proves nothing to a dialler with another nonce', () => {
  const { transcript } = talk(dialHandshake(dialler, accepter.taskManager), acceptHandshake(accepter))
  const later = dialHandshake({ ...dialler, nonce: nonceOf(3) }, accepter.taskManager)
  expect(() => later.receive(transcript[1])).toThrow(/cluster-secret/)
})

test('whoever is dialled under an id that it does not have refuses', () => {
  const accept = acceptHandshake(accepter)
  const dial = dialHandshake(dialler, 'task-manager/an-earlier-life')
  const hello = dial.receive(accept.greeting as Buffer)
  expect(() => accept.receive(hello.send as Buffer)).toThrow(/dialled as "task-manager\/an-earlier-life"/)
})

test('another version or byte order, and what is no TaskManager at all, is refused with the reason', () => {
  const greeting = acceptHandshake(accepter).greeting as Buffer
  const changed = (at: number, byte: number): Buffer => {
    const bytes = Buffer.from(greeting)
    bytes[at] = byte
    return bytes
  }
  const receive = (bytes: Buffer) => () => dialHandshake(dialler, accepter.taskManager).receive(bytes)
  expect(receive(changed(5, protocolVersion + 1))).toThrow(/speaks version 2, this one 1/)
  expect(receive(changed(6, 7))).toThrow(/byte order/)
  expect(receive(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toThrow(/no TaskManager/)
})
