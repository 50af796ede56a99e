import { MillraceError } from '../common/errors.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import type { ClusterClient } from '../rest/client.ts'

/** Flags of every command that talks to a cluster. */
export interface ClusterFlags {
  /** `-m host:port,host:port` */
  readonly jobmanager?: string
  readonly define: readonly string[]
  readonly json?: boolean
}

const defaultRetryMs = 60_000
const defaultPort = 8081

/**
 * The cluster that `-m` names, else that of `rest.address` and `rest.port`.
 * @throws MillraceError MR_CONFIGURATION
 */
export async function connectToCluster(
  jobManager: string | undefined,
  configuration: Configuration,
): Promise<ClusterClient> {
  const addresses = jobManager === undefined ? [configuredAddress(configuration)] : addressesOf(jobManager)
  const { 'security.rest.token': token, 'client.timeout': retryMs } = configuration
  const { ClusterClient: Client } = await import('../rest/client.ts') // what checks its answers takes a while to load
  return new Client({
    addresses,
    token: typeof token === 'string' && token.trim() !== '' ? token.trim() : undefined,
    retryMs: typeof retryMs === 'number' ? retryMs : defaultRetryMs,
    ports: systemPorts,
  })
}

function configuredAddress({
  'rest.address': host = '127.0.0.1',
  'rest.port': port = defaultPort,
}: Configuration): string {
  const name = String(host)
  return `${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${port}`
}

function addressesOf(text: string): readonly string[] {
  const addresses = text.split(',').map((address) => address.trim())
  for (const address of addresses) {
    const url = URL.parse(address.includes('://') ? address : `http://${address}`)
    const named = /:\d+$/.test(address) || (url !== null && address.includes('://'))
    if (url === null || !named || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.username !== '') {
      throw new MillraceError(
        'MR_CONFIGURATION',
        `-m ${text}: it takes host:port of a JobManager's REST server, or several with , between them`,
      )
    }
  }
  return addresses.map((address) => address.replace(/\/$/, ''))
}
