import {
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { Clock, Timer } from '../common/ports.ts'

/** Says that a standby has passed a request on: whoever gets it and does not lead passes it on no further. */
export const forwardedHeader = 'millrace-forwarded'

export interface Forwarding {
  readonly clock: Clock
  readonly leaderAddress: () => Promise<string | undefined>
  /** The leader is asked for so long at most. */
  readonly timeoutMs: number
  /** An answer has come and is written to the response from now on. */
  readonly beforeAnswer: () => void
}

/** Between two looks at whether the leader is still the same. */
const lookIntervalMs = 1000

/** Headers of one connection, not of the request. */
const ownOfConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'host',
  'expect',
])

/**
 * Passes a request on to the leader, and its answer back, unread.
 * @param leader URL of the leader's REST server
 * @returns undefined when the answer has been passed back; else why there is none, and nothing has been answered
 */
export function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  leader: string,
  { clock, leaderAddress, timeoutMs, beforeAnswer }: Forwarding,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const outgoing = httpRequest(new URL(incoming.url ?? '/', leader), {
      method: incoming.method,
      headers: { ...withoutConnection(incoming.headers), [forwardedHeader]: '1' },
      agent: false,
    })
    const timers = watch(outgoing, leader, { clock, leaderAddress, timeoutMs })
    const end = (reason: string | undefined): void => {
      timers.cancel()
      incoming.unpipe(outgoing)
      resolve(reason)
    }
    outgoing.on('error', (error) => {
      if (response.headersSent) response.destroy(error)
      end(response.headersSent ? undefined : error.message)
    })
    outgoing.on('response', (answer) => {
      beforeAnswer()
      response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers))
      answer.pipe(response)
      answer.on('error', (error) => response.destroy(error))
      answer.on('close', () => end(undefined))
    })
    // Whoever asked is gone: nobody waits for the answer.
    response.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  })
}

/** A leader that hangs, or leads no more, is not waited for. */
function watch(outgoing: ClientRequest, leader: string, forwarding: Omit<Forwarding, 'beforeAnswer'>): Timer {
  const { clock, leaderAddress, timeoutMs } = forwarding
  let look: Timer | undefined
  const lookAgain = (): void => {
    look = clock.schedule(lookIntervalMs, () => {
      leaderAddress().then((now) => {
        if (now === leader) lookAgain()
        else outgoing.destroy(new Error('another JobManager leads now'))
      }, lookAgain)
    })
  }
  lookAgain()
  const limit = clock.schedule(timeoutMs, () => outgoing.destroy(new Error(`it did not answer within ${timeoutMs} ms`)))
  return {
    cancel: () => {
      look?.cancel()
      look = undefined
      limit.cancel()
    },
  }
}

function withoutConnection(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ownOfConnection.has(name)))
}
