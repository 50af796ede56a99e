import { LeaderElection, type Leadership } from '../actors/election/leader-election.ts'
import { MillraceError, messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { systemPorts } from '../common/system-ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { controlKeys } from '../redis/control-keys.ts'
import { RedisConnections } from '../redis/redis-connections.ts'
import { controlRedisOptions, lockRedisOptions, stateRedisOptions } from '../redis/redis-options.ts'
import { openCheckedRedis } from '../redis/reopened-connection.ts'
import { restSettings } from '../rest/rest-settings.ts'
import { startRestServer } from '../rest/server.ts'
import { clusterSettings } from './cluster-settings.ts'
import { allEnumerators } from './connectors.ts'
import { type LeadingProcess, startLeading } from './leading-process.ts'

export interface JobManagerProcessOptions {
  readonly configuration: Configuration
  /** Of Millrace. */
  readonly version: string
  readonly logger: Logger
  /** Told at each change, for people. */
  readonly onRole: (role: 'leading' | 'standby', reason: string) => void
}

/** A JobManager in its own process: a candidate for the leadership, and a REST server that passes on to the leader. */
export interface JobManagerProcess {
  readonly url: string
  /** SIGTERM: another one leads within a moment. */
  stop(): Promise<void>
}

/** @throws MillraceError MR_CONFIGURATION, MR_REDIS_… */
export async function startJobManager(options: JobManagerProcessOptions): Promise<JobManagerProcess> {
  const { configuration, logger, version, onRole } = options
  const settings = clusterSettings(configuration)
  if (settings.checkpointStorage === 'filesystem') {
    const text = 'execution.checkpointing.storage: filesystem is not offered by a JobManager yet; it takes redis'
    throw new MillraceError('MR_CONFIGURATION', text)
  }
  const control = controlRedisOptions(configuration)
  const { clock } = systemPorts
  for (const redis of [control, stateRedisOptions(configuration)]) {
    const connection = await openCheckedRedis(redis, clock)
    connection.close()
  }
  const keys = controlKeys(settings.clusterId)
  const readers = new RedisConnections({ redis: control, count: 1, patienceMs: 1000, clock })
  const enumeratorOf = await allEnumerators()
  const leader = new Leader(onRole, logger, (leadership) =>
    startLeading({ configuration, leadership, enumeratorOf, logger }),
  )
  const rest = await startRestServer({
    settings: restSettings(configuration),
    gateway: () => leader.gateway,
    leaderAddress: async () => {
      const address = await readers.run((connection) => connection.call('GET', keys.leaderAddress))
      return typeof address === 'string' ? address : undefined
    },
    configuration,
    checkpointStorage: settings.checkpointStorage,
    version,
    ports: systemPorts,
    logger,
  })
  const election = await LeaderElection.start({
    control,
    lockNodes: lockRedisOptions(configuration),
    clusterId: settings.clusterId,
    leaseMs: settings.leaseMs,
    address: rest.url,
    logger,
    onLeading: (leadership) => leader.lead(leadership),
    onStandby: (reason) => leader.standBy(reason),
  })
  return {
    url: rest.url,
    stop: async () => {
      leader.standBy('this process ends')
      await election.stop()
      await leader.ended
      await rest.close()
      readers.close()
    },
  }
}

/** At most one leadership at a time; what it has started is ended with it. */
class Leader {
  readonly #onRole: JobManagerProcessOptions['onRole']
  readonly #logger: Logger
  readonly #start: (leadership: Leadership) => Promise<LeadingProcess>
  #present: Leadership | undefined
  #process: LeadingProcess | undefined
  ended: Promise<void> = Promise.resolve()

  constructor(
    onRole: JobManagerProcessOptions['onRole'],
    logger: Logger,
    start: (leadership: Leadership) => Promise<LeadingProcess>,
  ) {
    this.#onRole = onRole
    this.#logger = logger
    this.#start = start
  }

  get gateway(): LeadingProcess['gateway'] | undefined {
    return this.#present?.isValid() === true ? this.#process?.gateway : undefined
  }

  lead(leadership: Leadership): void {
    this.#present = leadership
    void this.#lead(leadership)
  }

  standBy(reason: string): void {
    const process = this.#process
    if (this.#present !== undefined) this.#onRole('standby', reason)
    this.#present = undefined
    this.#process = undefined
    if (process !== undefined) this.#end(process)
  }

  async #lead(leadership: Leadership): Promise<void> {
    try {
      const process = await this.#start(leadership)
      if (this.#present !== leadership) {
        this.#end(process)
        return
      }
      this.#process = process
      this.#onRole('leading', `epoch ${leadership.epoch}`)
    } catch (error) {
      if (this.#present === leadership) leadership.claimAgain(messageOf(error))
    }
  }

  #end(process: LeadingProcess): void {
    const end = process.end().catch((error: unknown) => this.#logger.warn({}, messageOf(error)))
    this.ended = Promise.all([this.ended, end]).then(() => {})
  }
}
