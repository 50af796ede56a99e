import { readFileSync } from 'node:fs'
import { MillraceError, messageOf } from '../common/errors.ts'

/** Where a Redis is and how it is talked to. Plain data: it goes to threads, never into records, plans or logs. */
export interface RedisOptions {
  /** Such as `redis://localhost:6379/0`; `rediss:` for TLS. Several only for nodes of one Redis Cluster. */
  readonly urls: readonly string[]
  /** The configuration key that named it, for messages. */
  readonly key: string
  /** Default: those of the URL. */
  readonly username?: string
  readonly password?: string
  /** The URLs name nodes of a Redis Cluster. */
  readonly cluster?: boolean
  /** Certificates to trust for `rediss:`, as PEM text. Default: those of the operating system. */
  readonly certificates?: string
  /** How many replicas must have a write before it counts as durable (R3). Default 0. */
  readonly replicas?: number
  /** Go on although the server may lose what it has answered (R3): output can then be doubled after it did. */
  readonly acceptDataLoss?: boolean
  /** Default 5 seconds. */
  readonly connectTimeoutMs?: number
  /** How long an answer may take before the connection counts as broken, default 10 seconds; counted by R26. */
  readonly commandTimeoutMs?: number
}

const lockUrlsKey = 'high-availability.redis.lock-urls'

export const defaultRedisUrl = 'redis://127.0.0.1:6379'

/** For messages: without user and password. */
export function addressOf(options: RedisOptions): string {
  return options.urls.map(withoutUser).join(', ')
}

function withoutUser(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** Resolved configuration: flat keys. */
type Settings = Readonly<Record<string, unknown>>

/** The server of the control plane: `high-availability.redis.*`. @throws MillraceError MR_CONFIGURATION */
export function controlRedisOptions(settings: Settings): RedisOptions {
  return optionsOf(settings, 'high-availability.redis', 'high-availability.redis')
}

/** The server of state: `state.backend.redis.*`, where it has a URL of its own; else that of the control plane. */
export function stateRedisOptions(settings: Settings): RedisOptions {
  const own = settings['state.backend.redis.url'] !== undefined
  return own ? optionsOf(settings, 'state.backend.redis', 'state.backend.redis') : controlRedisOptions(settings)
}

/**
 * The nodes that vote on who tries to lead: `high-availability.redis.lock-urls`, by default the control plane's.
 * @throws MillraceError MR_CONFIGURATION where they are not 1, 3 or 5 different ones
 */
export function lockRedisOptions(settings: Settings): readonly RedisOptions[] {
  const text = textOf(settings, lockUrlsKey)
  if (text === undefined) return [controlRedisOptions(settings)]
  const urls = text.split(',').map((url) => checkedUrl(url.trim(), lockUrlsKey))
  const options = urls.map((url) => ({
    ...controlRedisOptions(settings),
    urls: [url],
    cluster: false,
    key: lockUrlsKey,
  }))
  checkLockNodes(options)
  return options
}

/**
 * With an even number of them a split vote has no winner (F8), and one that is named twice votes twice.
 * @throws MillraceError MR_CONFIGURATION
 */
export function checkLockNodes(nodes: readonly RedisOptions[]): void {
  const different = new Set(nodes.map(addressOf)).size
  if (different < nodes.length) {
    throw new MillraceError('MR_CONFIGURATION', `${lockUrlsKey}: a server is named twice; name each server once`)
  }
  if (nodes.length === 1 || nodes.length === 3 || nodes.length === 5) return
  throw new MillraceError(
    'MR_CONFIGURATION',
    `${lockUrlsKey}: ${nodes.length} servers can not vote; name 1, 3 or 5 independent ones`,
  )
}

function optionsOf(settings: Settings, prefix: string, name: string): RedisOptions {
  const key = `${name}.url`
  const urls = (textOf(settings, key) ?? defaultRedisUrl).split(',').map((url) => checkedUrl(url.trim(), key))
  const cluster = settings[`${prefix}.cluster`] === true
  if (urls.length > 1 && !cluster) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `${key}: several URLs are nodes of a Redis Cluster: set ${prefix}.cluster`,
    )
  }
  const file = textOf(settings, `${prefix}.ca-file`)
  const username = textOf(settings, `${prefix}.username`)
  const password = textOf(settings, `${prefix}.password`)
  const replicas = settings[`${prefix}.replicas`]
  return {
    urls,
    key,
    cluster,
    acceptDataLoss: settings[`${prefix}.accept-data-loss`] === true,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(typeof replicas === 'number' ? { replicas } : {}),
    ...(file === undefined ? {} : { certificates: readCertificates(file, `${prefix}.ca-file`) }),
  }
}

function textOf(settings: Settings, key: string): string | undefined {
  const value = settings[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The value itself is not shown: it may hold a password. */
function checkedUrl(url: string, key: string): string {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new MillraceError('MR_CONFIGURATION', `${key}: a URL must begin with redis:// or rediss:// and name a host`)
  }
  return url
}

function readCertificates(file: string, key: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MillraceError('MR_CONFIGURATION', `${key}: ${messageOf(error)}`, { cause: error })
  }
}
