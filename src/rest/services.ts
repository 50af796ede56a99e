import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { Ports } from '../common/ports.ts'
import type { Configuration } from '../config/configuration.ts'
import type { ClusterGateway } from './cluster-gateway.ts'
import type { ZodTypeProvider } from './schema-compilers.ts'

/** What the routes answer from. */
export interface RestServices {
  /** @throws MillraceError MR_NO_LEADER where this process does not lead */
  gateway(): ClusterGateway
  readonly leading: () => boolean
  readonly leaderAddress: () => Promise<string | undefined>
  readonly ports: Ports
  /** Of Millrace. */
  readonly version: string
  /** Of this process; secrets are not shown. */
  readonly configuration: Configuration
  /** `redis` or `filesystem`. */
  readonly checkpointStorage: string
}

export type RestApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>
