import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { parseAddress } from '../../../src/network/sockets.ts'

/** Stands in front of a data port, and does to its connections what networks do. */
export interface CuttableProxy {
  readonly address: string
  /** Connections that were made through it. */
  readonly made: number
  /** Resets all that stand. */
  cut(): void
  /** Over those that stand nothing passes any more, and nobody is told. */
  stall(): void
  /** What both sides have sent, each connection one. */
  readonly recorded: readonly Recorded[]
}

export interface Recorded {
  readonly fromDialler: Buffer[]
  readonly fromAccepter: Buffer[]
}

export async function proxyTo(target: string): Promise<CuttableProxy> {
  const sockets = new Set<Socket>()
  const stalled = new Set<Recorded>()
  const recorded: Recorded[] = []
  const carry = (from: Socket, to: Socket, one: Recorded, bytesOf: Buffer[]): void => {
    sockets.add(from)
    from.on('data', (bytes: Buffer) => {
      bytesOf.push(bytes)
      if (!stalled.has(one)) to.write(bytes)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      if (!stalled.has(one)) to.destroy()
    })
  }
  const server = createServer((dialled) => {
    const onward = connect(parseAddress(target))
    const one: Recorded = { fromDialler: [], fromAccepter: [] }
    recorded.push(one)
    carry(dialled, onward, one, one.fromDialler)
    carry(onward, dialled, one, one.fromAccepter)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  onTestFinished(async () => {
    cut()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    recorded,
    get made() {
      return recorded.length
    },
    cut,
    stall: () => {
      for (const one of recorded) stalled.add(one)
    },
  }
}
