import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import type { Handshake } from './handshake.ts'

/** TLS under the data network: every TaskManager shows a certificate, signed by the same authority. PEM texts. */
export interface NetworkTls {
  readonly key: string
  readonly cert: string
  readonly ca: string
  /** The name in the certificates, where it is not the host that is dialled. */
  readonly serverName?: string
}

const keepAliveMs = 60_000

export function serverFor(tls: NetworkTls | undefined, accepted: (socket: Socket) => void): Server {
  if (tls === undefined) return createTcpServer({ noDelay: true, keepAlive: true }, accepted)
  const { key, cert, ca } = tls
  const options = {
    key,
    cert,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: 5_000,
    minVersion: 'TLSv1.3',
  } as const
  return createTlsServer({ ...options, noDelay: true, keepAlive: true }, accepted)
}

/** Connects; writes wait until it stands. */
export function dialSocket(address: string, tls: NetworkTls | undefined): Socket {
  const { host, port } = parseAddress(address)
  if (tls === undefined) {
    return connectTcp({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs })
  }
  const { key, cert, ca, serverName } = tls
  const names = serverName === undefined ? {} : { servername: serverName }
  return connectTls({ host, port, key, cert, ca, minVersion: 'TLSv1.3', ...names }).setNoDelay(true)
}

/** `host:port`; the host of IPv6 in brackets. */
export function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** @throws MillraceError MR_DATA_CONNECTION */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  const port = Number(address.slice(at + 1))
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  if (at > 0 && host !== '' && Number.isInteger(port) && port > 0 && port < 65_536) return { host, port }
  throw new MillraceError('MR_DATA_CONNECTION', `'${address}' is no address of a data network: host:port`)
}

export interface HandshakeOutcome {
  proved(peer: string, rest: Buffer): void
  /** The socket is closed. */
  failed(error: Error): void
}

/** Shakes hands on a socket. Exactly one of the two outcomes is called, also where the other end says nothing. */
export function shakeHands(
  socket: Socket,
  handshake: Handshake,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
  outcome: HandshakeOutcome,
): void {
  let isOver = false
  const over = (): boolean => {
    if (isOver) return false
    isOver = true
    timer.cancel()
    socket.off('data', received).off('close', closed)
    return true
  }
  const fail = (error: Error): void => {
    if (!over()) return
    socket.destroy()
    outcome.failed(error)
  }
  const closed = (): void => fail(new MillraceError('MR_DATA_CONNECTION', 'the other end has closed it'))
  const received = (bytes: Buffer): void => {
    try {
      const step = handshake.receive(bytes)
      if (step.send !== undefined) socket.write(step.send)
      if (step.type === 'proved' && over()) outcome.proved(step.peer, step.rest)
    } catch (error) {
      fail(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }
  const timer = clock.schedule(timeoutMs, () => {
    fail(new MillraceError('MR_DATA_CONNECTION', `nothing was proved within ${timeoutMs} ms`))
  })
  // Stays: what a socket throws later is told by its `close`.
  socket.on('error', (error) => fail(error))
  socket.on('data', received).on('close', closed)
  if (handshake.greeting !== undefined) socket.write(handshake.greeting)
}
