import type { ConfigResourceTypes } from 'kafkajs'
import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import { systemIds } from '../../common/system-ports.ts'
import { addressText, type BrokerAddress, parseAddress } from './broker-address.ts'
import { brokerError, brokerErrorCode, brokerErrorName, isTransient } from './broker-errors.ts'
import {
  isUnreachable,
  type KafkaClient,
  type KafkaClientOptions,
  partitionKey,
  type RetryLimits,
} from './kafka-client.ts'
import type { PartitionOffset, TopicMetadata, TopicPartition } from './kafka-protocol.ts'
import { type KafkajsCalls, KafkajsSession } from './kafkajs-session.ts'
import { RequestDeadlines } from './request-deadlines.ts'
import { SaslLogin } from './sasl-login.ts'
import { loginRefused } from './sasl-options.ts'

/** Offsets by `partitionKey`. */
export type Offsets = ReadonlyMap<string, number>

/** Kafka's own topics, which no pattern finds. */
const internalTopics: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
])
/** `ConfigResourceTypes.BROKER`, which kafkajs does not export to ES modules. */
const brokerResource = 4 as ConfigResourceTypes.BROKER

type Outcome<Answer> = { readonly answer: Answer } | { readonly code: number }

interface Patience {
  readonly limits: RetryLimits
  /** What is done, for messages. */
  readonly what: string
  /** The error for a code of Kafka that does not pass by itself. */
  readonly refused?: (code: number) => MillraceError
}

/**
 * What is asked of a cluster besides its records: topics, offsets, groups, configuration. kafkajs speaks it; its
 * connections are opened at the first question and made anew after they were lost.
 */
export class KafkaAdmin {
  readonly #client: KafkaClient
  readonly #options: KafkaClientOptions
  readonly #deadlines: RequestDeadlines
  readonly #login: SaslLogin | undefined
  /** The first one is tried first: after a failure it becomes the last. */
  #bootstrap: BrokerAddress[]
  #session: KafkajsSession | undefined

  /** @param client for its patience, and for messages */
  constructor(client: KafkaClient, options: KafkaClientOptions) {
    const { settings, clock, tokenProvider } = options
    this.#client = client
    this.#options = options
    this.#deadlines = new RequestDeadlines(clock)
    this.#bootstrap = options.bootstrap.map(parseAddress)
    this.#login =
      settings.sasl === null
        ? undefined
        : new SaslLogin(settings.sasl, { clock, uniqueText: () => systemIds.unique(), tokenProvider })
  }

  /**
   * Topics by name, or all. Undefined: something is wrong with one of them, or one of its partitions; kafkajs does not
   * say with which, and gives none of the others.
   * @throws MillraceError MR_KAFKA_UNREACHABLE, MR_KAFKA_LOGIN
   */
  async topics(names: readonly string[] | undefined): Promise<readonly TopicMetadata[] | undefined> {
    const outcome = await this.#attempt(({ admin }) =>
      admin.fetchTopicMetadata(names === undefined ? undefined : { topics: [...names] }),
    )
    if ('code' in outcome) return undefined
    return outcome.answer.topics.map(({ name, partitions }) => ({
      topic: name,
      errorCode: brokerErrorCode.none,
      internal: internalTopics.has(name),
      partitions: partitions.map(({ partitionId, partitionErrorCode, leader }) => ({
        partition: partitionId,
        errorCode: partitionErrorCode,
        leader,
      })),
    }))
  }

  /** First offsets of the logs, and last stable offsets: kafkajs asks as a `read_committed` reader does. */
  async logRanges(topics: readonly string[], limits: RetryLimits): Promise<{ first: Offsets; lastStable: Offsets }> {
    const [first, lastStable] = [new Map<string, number>(), new Map<string, number>()]
    await this.#eachTopic(topics, limits, async ({ admin }, topic) => {
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
        first.set(partitionKey({ topic, partition }), Number(low))
        lastStable.set(partitionKey({ topic, partition }), Number(high))
      }
    })
    return { first, lastStable }
  }

  /** The first records that are not older (epoch milliseconds); where there is none, the last stable offset. */
  async offsetsAt(topics: readonly string[], timestampMs: number, limits: RetryLimits): Promise<Offsets> {
    const found = new Map<string, number>()
    await this.#eachTopic(topics, limits, async ({ admin }, topic) => {
      for (const { partition, offset } of await admin.fetchTopicOffsetsByTimestamp(topic, timestampMs)) {
        found.set(partitionKey({ topic, partition }), Number(offset))
      }
    })
    return found
  }

  /** What the group has committed; partitions without a commit are left out. */
  async committedOffsets(groupId: string, topics: readonly string[], limits: RetryLimits): Promise<Offsets> {
    const what = `reading the offsets of group ${groupId}`
    const answer = await this.#retry({ limits, what }, async (calls) => {
      await coordinatorOf(calls, groupId, topics)
      return calls.admin.fetchOffsets({ groupId, topics: [...topics] })
    })
    const found = new Map<string, number>()
    for (const { topic, partitions } of answer) {
      for (const { partition, offset } of partitions) {
        if (Number(offset) >= 0) found.set(partitionKey({ topic, partition }), Number(offset))
      }
    }
    return found
  }

  /**
   * Commits offsets to a group from outside of it.
   * @throws MillraceError MR_KAFKA; its message says so where the group has members of its own (R19)
   */
  async commitOffsets(groupId: string, offsets: readonly PartitionOffset[], limits: RetryLimits): Promise<void> {
    const topics = topicsOf(offsets)
    const patience = {
      limits,
      what: `committing offsets to group ${groupId}`,
      refused: (code: number) => commitError(code, groupId),
    }
    await this.#retry(patience, async (calls) => {
      await calls.internals.commit(await coordinatorOf(calls, groupId, topics), groupId, offsets)
    })
  }

  /** One setting of the brokers, as one of them has it; undefined where it is not told to us. */
  async brokerSetting(name: string, limits: RetryLimits): Promise<string | undefined> {
    let setting: string | undefined
    await this.#client.retry(limits, async () => {
      // Only that broker tells its settings, and kafkajs would ask for all topics to learn which brokers there are.
      const { brokers } = await this.#client.refreshMetadata([])
      const resources = [{ type: brokerResource, name: String(brokers[0]?.nodeId ?? 0), configNames: [name] }]
      const outcome = await this.#attempt(({ admin }) => admin.describeConfigs({ resources, includeSynonyms: false }))
      const described = 'answer' in outcome ? outcome.answer.resources : []
      const entries = described.flatMap(({ configEntries }) => configEntries)
      setting = entries.find(({ configName }) => configName === name)?.configValue
      return undefined
    })
    return setting
  }

  close(): void {
    this.#session?.close('closed')
    this.#session = undefined
  }

  async #eachTopic(
    topics: readonly string[],
    limits: RetryLimits,
    ask: (calls: KafkajsCalls, topic: string) => Promise<void>,
  ): Promise<void> {
    const asking = topics.map((topic) =>
      this.#retry({ limits, what: `asking for offsets of topic ${topic}` }, (calls) => ask(calls, topic)),
    )
    await Promise.all(asking)
  }

  /** Asks until there is an answer, or an error that does not pass. */
  async #retry<Answer>(
    { limits, what, refused = (code) => brokerError(code, what) }: Patience,
    call: (calls: KafkajsCalls) => Promise<Answer>,
  ): Promise<Answer> {
    const answers: Answer[] = []
    await this.#client.retry(limits, async () => {
      const outcome = await this.#attempt(call)
      if ('answer' in outcome) {
        answers.push(outcome.answer)
        return undefined
      }
      if (isTransient(outcome.code)) return brokerError(outcome.code, what)
      throw refused(outcome.code)
    })
    return answers[0] as Answer
  }

  /** A connection may have been lost since it was last used: then once more by a fresh one. */
  async #attempt<Answer>(call: (calls: KafkajsCalls) => Promise<Answer>): Promise<Outcome<Answer>> {
    const wasOpen = this.#session !== undefined
    try {
      return await this.#ask(call)
    } catch (error) {
      if (!wasOpen || !isUnreachable(error)) throw error
      return this.#ask(call)
    }
  }

  async #ask<Answer>(call: (calls: KafkajsCalls) => Promise<Answer>): Promise<Outcome<Answer>> {
    if (this.#client.isClosed) throw this.#unreachable(new Error('the client is closed'))
    this.#session ??= new KafkajsSession({
      bootstrap: this.#bootstrap,
      settings: this.#options.settings,
      deadlines: this.#deadlines,
      login: this.#login,
    })
    const session = this.#session
    try {
      return { answer: await session.run(call) }
    } catch (error) {
      const cause = rootOf(error)
      const code = protocolCode(cause)
      const refused = this.#loginError(cause, code)
      if (refused === undefined && code !== undefined) return { code }
      this.#discard(session, messageOf(cause))
      throw refused ?? this.#unreachable(cause)
    }
  }

  /** kafkajs' view of the cluster is not to be trusted after its connections have failed. */
  #discard(session: KafkajsSession, why: string): void {
    session.close(why)
    if (this.#session !== session) return
    this.#session = undefined
    const others = [...this.#bootstrap.slice(1), ...this.#bootstrap.slice(0, 1), ...session.brokers]
    this.#bootstrap = [...new Map(others.map((address) => [addressText(address), address])).values()]
  }

  #loginError(error: unknown, code: number | undefined): MillraceError | undefined {
    const { sasl } = this.#options.settings
    const refusal =
      sasl !== null && code !== undefined && loginCodes.includes(code)
        ? loginRefused(sasl, `SASL authentication failed: ${messageOf(error)}: ${brokerErrorName(code)}`)
        : error
    if (!isMillraceError(refusal)) return undefined
    return new MillraceError(refusal.code, `${this.#client.addresses}: ${refusal.message}`, { cause: refusal })
  }

  #unreachable(error: unknown): MillraceError {
    // What a broker does with a client that does not use TLS, or does not log in, where it should.
    const hint = messageOf(error) === 'Closed connection' ? ' by the broker: are the TLS and SASL options right?' : ''
    const text = `no Kafka broker could be reached at ${this.#client.addresses}: ${messageOf(error)}${hint}`
    return new MillraceError('MR_KAFKA_UNREACHABLE', text, { cause: error })
  }
}

/** Topics by their names, each once. */
export function topicsOf(partitions: readonly TopicPartition[]): readonly string[] {
  return [...new Set(partitions.map(({ topic }) => topic))]
}

const loginCodes: readonly number[] = [
  brokerErrorCode.unsupportedSaslMechanism,
  brokerErrorCode.illegalSaslState,
  brokerErrorCode.saslAuthenticationFailed,
]

const membersCodes: readonly number[] = [
  brokerErrorCode.illegalGeneration,
  brokerErrorCode.unknownMember,
  brokerErrorCode.rebalanceInProgress,
  brokerErrorCode.fencedInstance,
]

function commitError(code: number, groupId: string): MillraceError {
  if (!membersCodes.includes(code)) return brokerError(code, `committing offsets to group ${groupId}`)
  return new MillraceError(
    'MR_KAFKA',
    `offsets are not committed to group ${groupId}, since other consumers are members of it: give this source a group of its own (${brokerErrorName(code)})`,
  )
}

/** kafkajs knows brokers only after it has asked for topics: for all of them, where none is named. */
async function coordinatorOf(
  { admin, internals }: KafkajsCalls,
  groupId: string,
  topics: readonly string[],
): Promise<number> {
  if (internals.brokers.length === 0) await admin.fetchTopicMetadata({ topics: [...topics] })
  return internals.groupCoordinator(groupId)
}

/** kafkajs wraps an error in others when it gives up. */
function rootOf(error: unknown): unknown {
  let root = error
  while (root instanceof Error && !isMillraceError(root) && root.cause instanceof Error) root = root.cause
  return root
}

/** The code of an answer of Kafka that kafkajs has made an error of. Its class is not among its exports for ESM. */
function protocolCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('type' in error) || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}
