import { isIPv4 } from 'node:net'
import { MillraceError } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'

/** How the REST server of a process listens, and whom it answers. */
export interface RestSettings {
  readonly bindAddress: string
  /** 0: any that is free. */
  readonly port: number
  /** undefined: whoever reaches it is answered, which only loopback allows. */
  readonly token: string | undefined
  readonly maxContentLengthBytes: number
}

const defaultMaxContentLengthBytes = 100 * 2 ** 20
/** As Flink's. */
export const defaultRestPort = 8081

/** @throws MillraceError MR_CONFIGURATION where it would listen beyond loopback without a token */
export function restSettings(configuration: Configuration): RestSettings {
  const bindAddress = textOf(configuration['rest.bind-address']) ?? '127.0.0.1'
  const token = textOf(configuration['security.rest.token'])
  const port = configuration['rest.port']
  const limit = configuration['rest.server.max-content-length']
  if (token === undefined && !isLoopback(bindAddress)) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `rest.bind-address: ${bindAddress} can be reached from other machines, and whoever reaches it can run code here: set security.rest.token, or bind to 127.0.0.1`,
    )
  }
  return {
    bindAddress,
    port: typeof port === 'number' ? port : defaultRestPort,
    token,
    maxContentLengthBytes: typeof limit === 'number' ? limit : defaultMaxContentLengthBytes,
  }
}

function textOf(value: Configuration[string] | undefined): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

/** Only this machine reaches it. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '[::1]') return true
  return isIPv4(host) && host.startsWith('127.')
}

/** As it stands in a URL. */
export function hostInUrl(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
