import { MillraceError } from '../../common/errors.ts'

export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:9092` */
export function addressText({ host, port }: BrokerAddress): string {
  return `${host}:${port}`
}

/**
 * `host`, `host:port` or `[IPv6]:port`
 * @throws MillraceError MR_CONFIGURATION
 */
export function parseAddress(text: string): BrokerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d+))?$/.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? 9092)
  if (host === undefined || port < 1 || port > 65_535) {
    throw new MillraceError('MR_CONFIGURATION', `brokers: '${text}' is no address; write host:port`)
  }
  return { host, port }
}
