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

/**
 * What is wrong with a list of names in an option; undefined: nothing. Job files run without a check of their types, so
 * that a text may stand here in place of a list.
 */
export function listProblem(option: string, list: unknown, item: string): string | undefined {
  if (list === undefined) return undefined
  const isList = Array.isArray(list) && list.every((one) => typeof one === 'string')
  if (!isList) return `${option}: a list of strings is needed, such as ['${item}']`
  return list.length === 0 || list.includes('') ? `${option}: it needs at least one, and none that is empty` : undefined
}
