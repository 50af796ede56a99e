import { MillraceError } from '../../../common/errors.ts'
import { brokerError, isTransient } from '../broker-errors.ts'
import { delay, isUnreachable, type KafkaClient, type RetryLimits } from '../kafka-client.ts'
import { decodeFindCoordinatorAnswer, type KafkaApi } from '../kafka-protocol.ts'
import {
  decodeAddPartitions,
  decodeEndTransaction,
  decodeInitProducerId,
  encodeAddPartitions,
  encodeEndTransaction,
  encodeFindTransactionCoordinator,
  encodeInitProducerId,
  type ProducerIdentity,
  produceApis,
  type TransactionPartition,
} from './produce-protocol.ts'

/** Codes of Kafka that say that a transaction is not there any more, or is another's (R17). */
const lostCodes: ReadonlySet<number> = new Set([47, 48, 49, 90])
/** The last transaction of the same id is still being completed (R15), or the coordinator changes. */
const passingCodes: ReadonlySet<number> = new Set([51, 52])
const quickTries = 20
const quickTryMs = 20
const invalidTimeout = 50
const notCoordinator = 16

/** The brokers refused a transaction with a code that no repeat helps against. */
export interface LostTransaction {
  readonly code: number
}

/** Talks to the coordinators of transactional ids. */
export class TransactionClient {
  readonly #client: KafkaClient
  readonly #limits: RetryLimits
  readonly #coordinators = new Map<string, number>()
  /** Brokers whose addresses the client knows. */
  readonly #known = new Set<number>()

  constructor(client: KafkaClient, limits: RetryLimits) {
    this.#client = client
    this.#limits = limits
  }

  /**
   * A fresh epoch of the id: transactions of earlier ones that are open are aborted, whoever has them is fenced.
   * @param transactionalId null: a producer id for repeats alone
   * @throws MillraceError MR_CONFIGURATION where the broker refuses the timeout
   */
  async initProducer(transactionalId: string | null, timeoutMs: number): Promise<ProducerIdentity> {
    const body = encodeInitProducerId(transactionalId, timeoutMs)
    const what = transactionalId === null ? 'asking for a producer id' : `opening transactional id ${transactionalId}`
    let identity: ProducerIdentity | undefined
    await this.#retry(what, async () => {
      const answer = await this.#send(transactionalId, produceApis.initProducerId, body)
      const { errorCode, producerId, epoch } = decodeInitProducerId(answer)
      if (errorCode === 0) identity = { producerId, epoch }
      if (errorCode === invalidTimeout) throw timeoutRefused(timeoutMs)
      return errorCode
    })
    return identity as ProducerIdentity
  }

  /** Before the first record of a partition: it becomes part of the transaction. */
  async addPartitions(
    transactionalId: string,
    identity: ProducerIdentity,
    partitions: readonly TransactionPartition[],
  ): Promise<void> {
    const body = encodeAddPartitions(transactionalId, identity, partitions)
    await this.#retry(`adding partitions to the transaction of ${transactionalId}`, async () =>
      decodeAddPartitions(await this.#send(transactionalId, produceApis.addPartitionsToTransaction, body)),
    )
  }

  /** Ends a transaction, also one that another process has prepared. undefined: done. */
  async end(
    transactionalId: string,
    identity: ProducerIdentity,
    outcome: 'commit' | 'abort',
  ): Promise<LostTransaction | undefined> {
    const body = encodeEndTransaction(transactionalId, identity, outcome)
    let lost: LostTransaction | undefined
    await this.#retry(`ending the transaction of ${transactionalId}`, async () => {
      const code = decodeEndTransaction(await this.#send(transactionalId, produceApis.endTransaction, body))
      if (!lostCodes.has(code)) return code
      lost = { code }
      return 0
    })
    return lost
  }

  /** `attempt` gives a code of Kafka. */
  async #retry(what: string, attempt: () => Promise<number>): Promise<void> {
    await this.#client.retry(this.#limits, async (): Promise<MillraceError | undefined> => {
      let code = await attempt()
      // The coordinator takes some milliseconds to complete a transaction: a back-off would take longer.
      for (let tries = 0; passingCodes.has(code) && tries < quickTries; tries++) {
        await delay(this.#client.clock, quickTryMs)
        code = await attempt()
      }
      if (code === 0) return undefined
      const error = brokerError(code, what)
      if (isTransient(code) || passingCodes.has(code)) return error
      throw error
    })
  }

  async #send(transactionalId: string | null, api: KafkaApi, body: Buffer): Promise<Buffer> {
    if (transactionalId === null) return this.#client.sendToAny(api, body)
    const coordinator = this.#coordinators.get(transactionalId) ?? (await this.#findCoordinator(transactionalId))
    try {
      const answer = await this.#client.send(coordinator, api, body)
      // Answers of all these begin with the throttle time; a coordinator that has moved says so in its code.
      if (saysMoved(api, answer)) this.#coordinators.delete(transactionalId)
      return answer
    } catch (error) {
      if (isUnreachable(error)) {
        this.#coordinators.delete(transactionalId)
        this.#known.clear()
      }
      throw error
    }
  }

  async #findCoordinator(transactionalId: string): Promise<number> {
    let found = -1
    await this.#retry(`looking for the coordinator of ${transactionalId}`, async () => {
      const body = encodeFindTransactionCoordinator(transactionalId)
      const answer = decodeFindCoordinatorAnswer(await this.#client.sendToAny(produceApis.findCoordinator, body))
      if (answer.errorCode === 0) found = answer.nodeId
      return answer.errorCode
    })
    if (!this.#known.has(found)) {
      const { brokers } = await this.#client.refreshMetadata([])
      for (const { nodeId } of brokers) this.#known.add(nodeId)
    }
    this.#coordinators.set(transactionalId, found)
    return found
  }
}

function saysMoved(api: KafkaApi, answer: Buffer): boolean {
  const code =
    api.key === produceApis.addPartitionsToTransaction.key ? decodeAddPartitions(answer) : answer.readInt16BE(4)
  return code >= 14 && code <= notCoordinator
}

function timeoutRefused(timeoutMs: number): MillraceError {
  const text = `KafkaSink: transactionTimeout: the brokers allow no transaction of ${timeoutMs} ms (transaction.max.timeout.ms)`
  return new MillraceError('MR_CONFIGURATION', text)
}
