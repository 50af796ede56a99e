import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError } from '../../common/errors.ts'
import type { OAuthTokenProvider } from './oauth-token.ts'
import { checkSasl, type KafkaSaslOptions } from './sasl-options.ts'

/** TLS towards the brokers. Plain data, so certificates and keys are given as their PEM text. */
export type KafkaTlsOptions = {
  /** Certificates of the authorities to trust, instead of those that Node.js knows. */
  readonly ca?: string | readonly string[]
  /** The client's own certificate and key, where brokers ask for one. */
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  /** The name to expect in the broker's certificate, where it is not the host's. */
  readonly servername?: string
  /** `false` accepts any certificate: for tests. */
  readonly rejectUnauthorized?: boolean
}

/** How to talk to the brokers. */
export interface KafkaProperties {
  /** The name that the broker's logs and quotas know, default `millrace`. */
  readonly clientId?: string
  readonly ssl?: boolean | KafkaTlsOptions
  readonly sasl?: KafkaSaslOptions
  /** Gives the tokens of `oauthbearer` where the job's own code runs, in the tasks, instead of what `sasl` says. What enumerates partitions beside the JobMaster runs no code of the job (R27), so `sasl` must say how it gets its token all the same. */
  readonly tokenProvider?: OAuthTokenProvider
  /** For a TCP connection, TLS and the log-in; default 10 s. */
  readonly connectionTimeout?: Duration
  /** For an answer; default 30 s. Counts only time in which this thread was not busy (R26). */
  readonly requestTimeout?: Duration
  /** How long all brokers may be away before the source fails, default 5 minutes. At the first start it is 5 seconds. */
  readonly unreachableTimeout?: Duration
  /** How long a broker waits for the first new record before it answers that there is none; default 500 ms. */
  readonly fetchMaxWait?: Duration
  /** Most bytes of one partition in one answer, default 1 MiB. */
  readonly maxPartitionFetchBytes?: number
  /** Most bytes of one answer, default 8 MiB. Up to three answers a broker are held. */
  readonly fetchMaxBytes?: number
}

/** The same as plain data with all defaults. */
export type KafkaConnectionSettings = {
  readonly clientId: string
  readonly ssl: boolean | KafkaTlsOptions
  readonly sasl: KafkaSaslOptions | null
  readonly connectionTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly unreachableTimeoutMs: number
  readonly fetchMaxWaitMs: number
  readonly maxPartitionFetchBytes: number
  readonly fetchMaxBytes: number
}

/** @throws MillraceError MR_CONFIGURATION naming the option */
export function connectionSettings(properties: KafkaProperties): KafkaConnectionSettings {
  if (properties.sasl !== undefined) checkSasl(properties.sasl)
  if (properties.tokenProvider !== undefined && properties.sasl?.mechanism !== 'oauthbearer') {
    throw new MillraceError('MR_CONFIGURATION', 'properties.tokenProvider: it needs properties.sasl by oauthbearer')
  }
  return {
    clientId: properties.clientId ?? 'millrace',
    ssl: properties.ssl ?? false,
    sasl: properties.sasl ?? null,
    connectionTimeoutMs: durationMs(properties.connectionTimeout ?? '10s', 'properties.connectionTimeout'),
    requestTimeoutMs: durationMs(properties.requestTimeout ?? '30s', 'properties.requestTimeout'),
    unreachableTimeoutMs: durationMs(properties.unreachableTimeout ?? '5min', 'properties.unreachableTimeout'),
    fetchMaxWaitMs: durationMs(properties.fetchMaxWait ?? '500ms', 'properties.fetchMaxWait'),
    maxPartitionFetchBytes: byteCount(properties.maxPartitionFetchBytes ?? 1 << 20, 'maxPartitionFetchBytes'),
    fetchMaxBytes: byteCount(properties.fetchMaxBytes ?? 8 << 20, 'fetchMaxBytes'),
  }
}

/** Kafka takes sizes as 32-bit integers; of 0 nothing would ever come. */
function byteCount(value: number, option: string): number {
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return value
  throw new MillraceError('MR_CONFIGURATION', `KafkaSource: properties.${option}: ${value} is no number of bytes`)
}
