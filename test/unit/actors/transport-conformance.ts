import { expect, test } from 'vitest'
import type { Address, Delivery, Envelope, Inbox, Transport } from '../../../src/actors/transport/transport.ts'

export interface ConformanceOptions {
  readonly inboxCapacity?: number
  /** What happens to a message on its way. */
  readonly fate?: (envelope: Envelope, to: Address) => 'deliver' | 'lose' | 'repeat'
}

/** Takes from an inbox until nothing is there; waits for what is on its way. */
export async function taken(inbox: Inbox, count: number): Promise<readonly Delivery[]> {
  const deliveries: Delivery[] = []
  for (let turn = 0; deliveries.length < count && turn < 1000; turn++) {
    const delivery = inbox.take()
    if (delivery === undefined) await Promise.resolve()
    else deliveries.push(delivery)
  }
  return deliveries
}

const bodiesOf = (deliveries: readonly Delivery[]): readonly unknown[] =>
  deliveries.map((delivery) => (delivery.type === 'message' ? delivery.envelope.body : delivery.type))

/** What every transport has to keep (R22, I9). */
export function transportConformance(create: (options: ConformanceOptions) => Transport): void {
  test('messages of one sender arrive in order, numbered from 1 for each receiver', async () => {
    const transport = create({})
    const [a, b] = [transport.open('a', () => {}), transport.open('b', () => {})]
    const connection = transport.connect('sender', 'token')
    for (const body of [1, 2, 3]) connection.send('a', body)
    connection.send('b', 4)
    const deliveries = await taken(a, 3)
    expect(bodiesOf(deliveries)).toEqual([1, 2, 3])
    expect(deliveries).toMatchObject(
      [1, 2, 3].map((sequence) => ({ envelope: { from: 'sender', token: 'token', sequence, protocolVersion: 1 } })),
    )
    expect(await taken(b, 1)).toMatchObject([{ envelope: { sequence: 1, body: 4 } }])
    expect(a.take()).toBeUndefined()
  })

  test('a new token starts a new numbering', async () => {
    const transport = create({})
    const inbox = transport.open('a', () => {})
    transport.connect('sender', 'old').send('a', 'from the old life')
    transport.connect('sender', 'new').send('a', 'from the new life')
    expect(bodiesOf(await taken(inbox, 2))).toEqual(['from the old life', 'from the new life'])
  })

  test('a repeated message is handled once (I9)', async () => {
    const transport = create({ fate: () => 'repeat' })
    const inbox = transport.open('a', () => {})
    const connection = transport.connect('sender', 'token')
    for (const body of [1, 2]) connection.send('a', body)
    expect(bodiesOf(await taken(inbox, 2))).toEqual([1, 2])
    expect(inbox.take()).toBeUndefined()
  })

  test('a lost message is noticed at the next one, which follows (I9)', async () => {
    const transport = create({ fate: ({ sequence }) => (sequence === 2 || sequence === 3 ? 'lose' : 'deliver') })
    const inbox = transport.open('a', () => {})
    const connection = transport.connect('sender', 'token')
    for (const body of [1, 2, 3, 4]) connection.send('a', body)
    const deliveries = await taken(inbox, 3)
    expect(bodiesOf(deliveries)).toEqual([1, 'gap', 4])
    expect(deliveries[1]).toEqual({ type: 'gap', from: 'sender', token: 'token', expected: 2, received: 4 })
  })

  test('an inbox holds no more than it may, and what did not fit is noticed', async () => {
    const transport = create({ inboxCapacity: 2 })
    const inbox = transport.open('a', () => {})
    const connection = transport.connect('sender', 'token')
    expect([1, 2, 3].map((body) => connection.send('a', body))).toEqual(['accepted', 'accepted', 'full'])
    expect(bodiesOf(await taken(inbox, 2))).toEqual([1, 2])
    expect(connection.send('a', 4)).toBe('accepted')
    expect(bodiesOf(await taken(inbox, 2))).toEqual(['gap', 4])
  })

  test('a closed inbox gets nothing, and its address can be opened again', async () => {
    const transport = create({})
    const first = transport.open('a', () => {})
    first.close()
    const connection = transport.connect('sender', 'token')
    expect(connection.send('a', 'too late')).toBe('unknown')
    const second = transport.open('a', () => {})
    connection.send('a', 'again')
    expect(first.take()).toBeUndefined()
    expect(bodiesOf(await taken(second, 2))).toEqual(['gap', 'again'])
  })

  test('an address has one inbox', () => {
    const transport = create({})
    transport.open('a', () => {})
    expect(() => transport.open('a', () => {})).toThrow(/taken/)
  })

  test('arrival is told', async () => {
    const transport = create({})
    let arrivals = 0
    const inbox = transport.open('a', () => arrivals++)
    transport.connect('sender', 'token').send('a', 1)
    await taken(inbox, 1)
    expect(arrivals).toBeGreaterThan(0)
  })
}
