import { durationMs } from '../common/duration.ts'
import { MillraceError } from '../common/errors.ts'

/** A configuration value after parsing: durations are milliseconds, sizes are bytes. */
export type OptionValue = string | number | boolean

/** One configuration key. The key is Flink's wherever Flink has one. */
export interface Option {
  readonly key: string
  /** What is allowed, for messages and docs/configuration.md. */
  readonly allowed: string
  readonly defaultText: string
  readonly description: string
  readonly parse: (text: string, key: string) => OptionValue
}

export const options: readonly Option[] = [
  option(
    'parallelism.default',
    wholeNumber(1, 32768),
    'the number of cores',
    'Parallelism of operators that set none.',
  ),
  option(
    'pipeline.max-parallelism',
    wholeNumber(1, 32768),
    '128',
    'Number of key groups; fixed for the life of a job (R37).',
  ),
  option(
    'pipeline.auto-watermark-interval',
    duration(),
    '200ms',
    'How often sources emit watermarks; 0 after every batch.',
  ),
  option(
    'pipeline.columns',
    oneOf('auto', 'off'),
    'auto',
    'Whether what is declared by field names and expressions runs on columns where it can; `off`: always on objects, with the same results.',
  ),
  option(
    'execution.buffer-timeout.interval',
    duration(),
    '5ms',
    'A partial batch between slots is shipped after this long; 0 after every turn.',
  ),
  option(
    'taskmanager.numberOfTaskSlots',
    wholeNumber(1, 1024),
    'the larger of the cores and the highest parallelism of the job',
    'Task slots: one worker thread each.',
  ),
  option('taskmanager.memory.managed.size', size(), '1gb', 'Off-heap state of all slots together; divided equally.'),
  option('taskmanager.memory.task.heap.size', size(), '2gb', 'Soft limit of one slot’s JavaScript heap (R31).'),
  option(
    'task.cancellation.timeout',
    duration(),
    '30s',
    'After this long a task that does not stop takes its process down (R32).',
  ),
  option(
    'execution.checkpointing.interval',
    duration(),
    'no checkpoints',
    'Time between the starts of two checkpoints.',
  ),
  option(
    'execution.checkpointing.mode',
    oneOf('exactly-once', 'at-least-once'),
    'exactly-once',
    'Whether barriers are aligned.',
  ),
  option(
    'execution.checkpointing.timeout',
    duration(),
    '4min',
    'A checkpoint that takes longer is aborted. Three of it, and a minute, have to fit into the transaction timeout of a Kafka sink (R17).',
  ),
  option(
    'execution.checkpointing.min-pause',
    duration(),
    '0ms',
    'Least time between the end of one checkpoint and the start of the next.',
  ),
  option(
    'execution.checkpointing.tolerable-failed-checkpoints',
    wholeNumber(0, 1_000_000),
    '0',
    'Failed checkpoints in a row that do not fail the job.',
  ),
  option(
    'execution.checkpointing.storage',
    oneOf('redis', 'filesystem'),
    'redis on a cluster, filesystem in one process',
    'Where a cluster keeps checkpoints: in `state.backend.redis.url`, or in `execution.checkpointing.dir` on a file system that all its machines share.',
  ),
  option('execution.checkpointing.dir', text(), '.millrace/checkpoints/<job name>', 'Folder of a job’s checkpoints.'),
  option('state.checkpoints.num-retained', wholeNumber(1, 1000), '2', 'Completed checkpoints to keep (R9).'),
  option(
    'restart-strategy.type',
    oneOf('none', 'fixed-delay', 'failure-rate', 'exponential-delay'),
    'exponential-delay with checkpointing, none without',
    'What happens after a failure.',
  ),
  option(
    'high-availability.type',
    oneOf('redis'),
    'redis',
    'What the cluster remembers itself in, and elects its leader by. For `millrace jobmanager` and `taskmanager`.',
  ),
  option(
    'high-availability.lease-duration',
    duration(),
    '3s',
    'How long a leader that is not heard of keeps the others waiting: a new one leads within this and 1 s.',
  ),
  option(
    'high-availability.cluster-id',
    clusterName(),
    'default',
    'Name of the cluster: what its keys in Redis begin with.',
  ),
  ...redisOptions('high-availability.redis', 'redis://127.0.0.1:6379', 'The Redis of the control plane'),
  option(
    'high-availability.redis.lock-urls',
    redisUrls(),
    'high-availability.redis.url',
    'The 1, 3 or 5 independent Redis servers that vote on who tries to lead, with `,` between them.',
  ),
  option(
    'heartbeat.interval',
    duration(),
    '1s',
    'How often JobManager and TaskManagers tell each other that they live.',
  ),
  option(
    'heartbeat.timeout',
    duration(),
    '10s',
    'A TaskManager that was not heard of for so long counts as lost; one whose data connection breaks is asked at once.',
  ),
  option(
    'slot.request.timeout',
    duration(),
    '5min',
    'How long a job of a cluster waits for slots before it fails with how many it wants and how many there are.',
  ),
  option(
    'taskmanager.host',
    text(),
    '127.0.0.1',
    'Where the other TaskManagers find this one, and where its data port listens. Anything but loopback wants a `security.cluster-secret`.',
  ),
  option(
    'taskmanager.data.port',
    wholeNumber(0, 65535),
    '0',
    'Port for records from other TaskManagers; 0: any that is free.',
  ),
  option(
    'security.cluster-secret',
    text(),
    'on loopback one that the cluster makes and keeps in Redis',
    'What TaskManagers prove to each other that they know (R28); a secret, the same in all of them.',
  ),
  ...redisOptions('state.backend.redis', 'that of the control plane', 'The Redis of checkpoints'),
  option('rest.address', text(), '127.0.0.1', 'Where clients find the REST server of the cluster.'),
  option(
    'rest.bind-address',
    text(),
    '127.0.0.1',
    'Where the REST server of a JobManager listens. Anything but loopback wants a `security.rest.token`.',
  ),
  option('rest.port', wholeNumber(0, 65535), '8081', 'Port of the REST server; 0: any that is free.'),
  option('rest.server.max-content-length', size(), '100mb', 'Largest body of a request, which holds the job’s bundle.'),
  option('security.rest.token', text(), 'none', 'What a client must know to be answered by the REST server; a secret.'),
  option('client.timeout', duration(), '60s', 'How long a command goes on asking while no JobManager leads.'),
  option('restart-strategy.fixed-delay.attempts', wholeNumber(0, 1_000_000_000), '1', 'Restarts before the job fails.'),
  option('restart-strategy.fixed-delay.delay', duration(), '1s', 'Time before each restart.'),
  option(
    'restart-strategy.failure-rate.max-failures-per-interval',
    wholeNumber(0, 1_000_000_000),
    '1',
    'Failures in the interval before the job fails.',
  ),
  option('restart-strategy.failure-rate.failure-rate-interval', duration(), '1min', 'The interval.'),
  option('restart-strategy.failure-rate.delay', duration(), '1s', 'Time before each restart.'),
  option('restart-strategy.exponential-delay.initial-backoff', duration(), '1s', 'Time before the first restart.'),
  option('restart-strategy.exponential-delay.max-backoff', duration(), '1min', 'Longest time before a restart.'),
  option(
    'restart-strategy.exponential-delay.backoff-multiplier',
    decimal(1),
    '1.5',
    'Growth of the time from failure to failure.',
  ),
  option(
    'restart-strategy.exponential-delay.reset-backoff-threshold',
    duration(),
    '1h',
    'After this long without a failure the time is the first one again.',
  ),
  option(
    'restart-strategy.exponential-delay.jitter-factor',
    decimal(0),
    '0.1',
    'Fraction of the time that is added or taken at random.',
  ),
]

export const optionOfKey: ReadonlyMap<string, Option> = new Map(options.map((each) => [each.key, each]))

interface Kind {
  readonly allowed: string
  readonly parse: Option['parse']
}

function option(key: string, kind: Kind, defaultText: string, description: string): Option {
  return { key, allowed: kind.allowed, defaultText, description, parse: kind.parse }
}

function refusal(key: string, value: string, allowed: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `${key}: ${JSON.stringify(value)} is not allowed; it takes ${allowed}`)
}

function wholeNumber(lowest: number, highest: number): Kind {
  const allowed = `a whole number from ${lowest} to ${highest}`
  return {
    allowed,
    parse: (value, key) => {
      const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN
      if (number >= lowest && number <= highest) return number
      throw refusal(key, value, allowed)
    },
  }
}

function decimal(lowest: number): Kind {
  const allowed = `a number from ${lowest} up`
  return {
    allowed,
    parse: (value, key) => {
      const number = value.trim() === '' ? Number.NaN : Number(value)
      if (Number.isFinite(number) && number >= lowest) return number
      throw refusal(key, value, allowed)
    },
  }
}

function duration(): Kind {
  return { allowed: 'a duration such as 250ms, 10s, 5min, 2h', parse: (value, key) => durationMs(value, key) }
}

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  kb: 2 ** 10,
  m: 2 ** 20,
  mb: 2 ** 20,
  g: 2 ** 30,
  gb: 2 ** 30,
}

function size(): Kind {
  const allowed = 'a size such as 512mb or 2gb'
  return {
    allowed,
    parse: (value, key) => {
      const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value)
      const unit = match === null ? undefined : sizeUnits[(match[2] ?? '').toLowerCase()]
      if (match === null || unit === undefined) throw refusal(key, value, allowed)
      return Math.floor(Number(match[1]) * unit)
    },
  }
}

/** What is said of a Redis server, under the prefix of its use. */
function redisOptions(prefix: string, defaultUrl: string, what: string): readonly Option[] {
  return [
    option(
      `${prefix}.url`,
      redisUrls(),
      defaultUrl,
      `${what}: \`redis://host:port/database\`, \`rediss:\` for TLS; of a Redis Cluster several nodes with \`,\` between them.`,
    ),
    option(`${prefix}.username`, text(), 'that of the URL', `${what}: the user (ACL).`),
    option(`${prefix}.password`, text(), 'that of the URL', `${what}: the password.`),
    option(`${prefix}.ca-file`, text(), 'those of the system', `${what}: file of the certificates to trust, PEM.`),
    option(`${prefix}.cluster`, yesOrNo(), 'false', `${what} is a Redis Cluster.`),
    option(
      `${prefix}.replicas`,
      wholeNumber(0, 100),
      '0',
      `${what}: replicas that must have a write before it counts (R3).`,
    ),
    option(
      `${prefix}.accept-data-loss`,
      yesOrNo(),
      'false',
      `${what} may lose what it has answered (\`appendfsync everysec\` before Redis 7.2): output can be doubled then (R3).`,
    ),
  ]
}

/** Never shown: it may hold a password. */
function redisUrls(): Kind {
  const allowed = 'a URL with redis:// or rediss://, or several with , between them'
  return {
    allowed,
    parse: (value, key) => {
      const urls = value.split(',').map((url) => url.trim())
      if (urls.every((url) => URL.canParse(url) && /^rediss?:\/\/[^/]/.test(url))) return urls.join(',')
      throw new MillraceError('MR_CONFIGURATION', `${key}: it takes ${allowed}`)
    },
  }
}

function clusterName(): Kind {
  const allowed = "letters, digits, '.', '_' and '-'"
  return {
    allowed,
    parse: (value, key) => {
      if (/^[\w.-]+$/.test(value)) return value
      throw refusal(key, value, allowed)
    },
  }
}

function yesOrNo(): Kind {
  const allowed = 'true or false'
  return {
    allowed,
    parse: (value, key) => {
      if (value === 'true' || value === 'false') return value === 'true'
      throw refusal(key, value, allowed)
    },
  }
}

function oneOf(...values: readonly string[]): Kind {
  const allowed = `one of ${values.join(', ')}`
  return {
    allowed,
    parse: (value, key) => {
      if (values.includes(value)) return value
      throw refusal(key, value, allowed)
    },
  }
}

function text(): Kind {
  return { allowed: 'text', parse: (value) => value }
}
