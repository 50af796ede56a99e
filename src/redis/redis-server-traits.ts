/** What has to be known of a server before it is relied on. */
export interface RedisServerTraits {
  /** `host:port` where it is a node of a cluster. */
  readonly node: string
  readonly version: string
  readonly major: number
  /** `maxmemory-policy`; undefined where the server does not tell. */
  readonly evictionPolicy: string | undefined
  readonly appendOnly: boolean
  /** undefined where the user may not ask. */
  readonly appendFsync: string | undefined
  readonly hasWaitAof: boolean
  readonly isClusterNode: boolean
  /** Another one after each start of the server. */
  readonly runId: string
}

/** Reads what INFO says; `appendFsync` comes from CONFIG GET. */
export function redisServerTraits(node: string, info: string, appendFsync: string | undefined): RedisServerTraits {
  const fields = new Map(info.split(/\r?\n/).map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^[^:]*:/, '')]))
  const version = fields.get('redis_version') ?? 'unknown'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return {
    node,
    version,
    major,
    evictionPolicy: fields.get('maxmemory_policy'),
    appendOnly: fields.get('aof_enabled') === '1',
    appendFsync,
    hasWaitAof: major > 7 || (major === 7 && minor >= 2),
    isClusterNode: fields.get('cluster_enabled') === '1',
    runId: fields.get('run_id') ?? '',
  }
}

/** How a write becomes durable on a server (R3): by its answer, by WAITAOF after it, or not for certain. */
export function durabilityOf(traits: RedisServerTraits): 'answered' | 'waitaof' | 'uncertain' {
  if (!traits.appendOnly) return 'uncertain'
  if (traits.appendFsync === 'always') return 'answered'
  return traits.hasWaitAof ? 'waitaof' : 'uncertain'
}
