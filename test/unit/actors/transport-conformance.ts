import { expect, test } from 'vitest'
import type { Address, Delivery, Envelope, Inbox, Transport } from '../../../src/actors/transport/transport.ts'

export interface ConformanceOptions {
  readonly inboxCapacity?: number
  /** What happens to a message on its way. */
  readonly fate?: (envelope: Envelope, to: Address) => 'deliver' | 'lose' | 'repeat'
}

/** Two processes, or one that is both. */
export interface TransportPair {
  readonly sending: Transport
  readonly receiving: Transport
  /** Everything that was sent has arrived. */
  settled(): Promise<void>
}

async function takenBy({ settled }: TransportPair, inbox: Inbox): Promise<readonly Delivery[]> {
  await settled()
  const deliveries: Delivery[] = []
  for (let delivery = inbox.take(); delivery !== undefined; delivery = inbox.take()) deliveries.push(delivery)
  return deliveries
}

const bodiesOf = (deliveries: readonly Delivery[]): readonly unknown[] =>
  deliveries.map((delivery) => (delivery.type === 'message' ? delivery.envelope.body : delivery.type))

/** What every transport has to keep (R22, I9). Addresses are of the receiving process. */
export function transportConformance(
  create: (options: ConformanceOptions) => TransportPair | Promise<TransportPair>,
): void {
  test('messages of one sender arrive in order, numbered from 1 for each receiver', async () => {
    const pair = await create({})
    const [a, b] = [pair.receiving.open('a', () => {}), pair.receiving.open('b', () => {})]
    const connection = pair.sending.connect('sender', 'token')
    for (const body of [1, 2, 3]) connection.send('a', body)
    connection.send('b', 4)
    const deliveries = await takenBy(pair, a)
    expect(bodiesOf(deliveries)).toEqual([1, 2, 3])
    expect(deliveries).toMatchObject(
      [1, 2, 3].map((sequence) => ({ envelope: { from: 'sender', token: 'token', sequence, protocolVersion: 1 } })),
    )
    expect(await takenBy(pair, b)).toMatchObject([{ envelope: { sequence: 1, body: 4 } }])
  })

  test('plain data of every kind arrives as it was sent', async () => {
    const pair = await create({})
    const inbox = pair.receiving.open('a', () => {})
    const body = {
      text: 'ä€𝄞',
      numbers: [0, -0, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, Number.MAX_SAFE_INTEGER],
      none: undefined,
      nothing: null,
      bytes: new Uint8Array([0, 255]),
      nested: { list: [{ yes: true }] },
    }
    pair.sending.connect('sender', 'token').send('a', body)
    expect(bodiesOf(await takenBy(pair, inbox))).toEqual([body])
  })

  test('a new token starts a new numbering', async () => {
    const pair = await create({})
    const inbox = pair.receiving.open('a', () => {})
    pair.sending.connect('sender', 'old').send('a', 'from the old life')
    pair.sending.connect('sender', 'new').send('a', 'from the new life')
    expect(bodiesOf(await takenBy(pair, inbox))).toEqual(['from the old life', 'from the new life'])
  })

  test('a repeated message is handled once (I9)', async () => {
    const pair = await create({ fate: () => 'repeat' })
    const inbox = pair.receiving.open('a', () => {})
    const connection = pair.sending.connect('sender', 'token')
    for (const body of [1, 2]) connection.send('a', body)
    expect(bodiesOf(await takenBy(pair, inbox))).toEqual([1, 2])
  })

  test('a lost message is noticed at the next one, which follows (I9)', async () => {
    const pair = await create({ fate: ({ sequence }) => (sequence === 2 || sequence === 3 ? 'lose' : 'deliver') })
    const inbox = pair.receiving.open('a', () => {})
    const connection = pair.sending.connect('sender', 'token')
    for (const body of [1, 2, 3, 4]) connection.send('a', body)
    const deliveries = await takenBy(pair, inbox)
    expect(bodiesOf(deliveries)).toEqual([1, 'gap', 4])
    expect(deliveries[1]).toEqual({ type: 'gap', from: 'sender', token: 'token', expected: 2, received: 4 })
  })

  test('an inbox holds no more than it may, and what did not fit is noticed', async () => {
    const pair = await create({ inboxCapacity: 2 })
    const inbox = pair.receiving.open('a', () => {})
    const connection = pair.sending.connect('sender', 'token')
    for (const body of [1, 2, 3]) connection.send('a', body)
    expect(bodiesOf(await takenBy(pair, inbox))).toEqual([1, 2])
    connection.send('a', 4)
    expect(bodiesOf(await takenBy(pair, inbox))).toEqual(['gap', 4])
  })

  test('a closed inbox gets nothing, and its address can be opened again', async () => {
    const pair = await create({})
    const first = pair.receiving.open('a', () => {})
    first.close()
    const connection = pair.sending.connect('sender', 'token')
    connection.send('a', 'too late')
    await pair.settled()
    const second = pair.receiving.open('a', () => {})
    connection.send('a', 'again')
    expect(bodiesOf(await takenBy(pair, second))).toEqual(['gap', 'again'])
    expect(first.take()).toBeUndefined()
  })

  test('an address has one inbox', async () => {
    const { receiving } = await create({})
    receiving.open('a', () => {})
    expect(() => receiving.open('a', () => {})).toThrow(/taken/)
  })

  test('arrival is told', async () => {
    const pair = await create({})
    let arrivals = 0
    pair.receiving.open('a', () => arrivals++)
    pair.sending.connect('sender', 'token').send('a', 1)
    await pair.settled()
    expect(arrivals).toBeGreaterThan(0)
  })
}
