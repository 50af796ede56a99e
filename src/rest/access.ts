import { createHash, timingSafeEqual } from 'node:crypto'
import { MillraceError } from '../common/errors.ts'
import { isLoopback, type RestSettings } from './rest-settings.ts'

/** The headers that say who asks. */
export interface AskingHeaders {
  readonly authorization?: string | undefined
  readonly host?: string | undefined
  readonly origin?: string | undefined
}

/**
 * With a token only those who know it are answered. Without one the server listens on loopback, where a web page could
 * still reach it through the browser of someone on this machine: such requests are refused.
 *
 * @throws MillraceError MR_UNAUTHORIZED
 */
export function checkAccess({ token }: Pick<RestSettings, 'token'>, headers: AskingHeaders): void {
  if (token === undefined) {
    refuseWebPages(headers)
    return
  }
  const given = /^Bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (given !== undefined && sameText(given, token)) return
  throw new MillraceError(
    'MR_UNAUTHORIZED',
    given === undefined ? 'this cluster wants a token' : 'the token is not that of this cluster',
  )
}

/** Takes as long for a text that is nearly right as for any other. */
function sameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** A page of another site has an origin of its own, or a host name of its own that it has pointed at this machine. */
function refuseWebPages({ host, origin }: AskingHeaders): void {
  const name = URL.parse(`http://${host ?? ''}`)?.hostname
  const ofPage = origin === undefined ? undefined : (URL.parse(origin)?.host ?? 'null')
  if (name !== undefined && isLoopback(name) && (ofPage === undefined || ofPage === host)) return
  throw new MillraceError(
    'MR_UNAUTHORIZED',
    'without a token only requests to 127.0.0.1 or localhost are answered, and none of web pages',
  )
}
