import type { Kafka } from 'kafkajs'
import { MillraceError } from '../../common/errors.ts'
import type { BrokerAddress } from './broker-address.ts'
import type { PartitionOffset } from './kafka-protocol.ts'

// The only file that knows private parts of kafkajs, whose version is pinned. Three things of 2.2.4 are missing or
// wrong in its public API: offsets can be committed only by a member of the group, connections never rest, and
// bootstrap addresses may not be IPv6 ones.

interface KafkajsBroker {
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{
    readonly coordinator: { readonly nodeId: number }
  }>
  offsetCommit(request: {
    groupId: string
    groupGenerationId: number
    memberId: string
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; offset: string; metadata: null }[]
    }[]
  }): Promise<unknown>
}

interface KafkajsConnection {
  readonly requestQueue: { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void }
}

interface KafkajsConnectionPool {
  readonly pool: readonly KafkajsConnection[]
}

interface KafkajsCluster {
  readonly connectionPoolBuilder: { build(address?: Partial<BrokerAddress>): Promise<KafkajsConnectionPool> }
  readonly brokerPool: {
    readonly metadata: { readonly brokers: readonly BrokerAddress[] } | null
    findConnectedBroker(): Promise<KafkajsBroker>
  }
  findBroker(query: { nodeId: number }): Promise<KafkajsBroker>
}

type CreateCluster = (options: unknown) => KafkajsCluster

/** What our part of the work needs of the cluster that a kafkajs admin client has inside. */
export class KafkajsInternals {
  #cluster: KafkajsCluster | undefined

  /** Reaches into a client that has no admin yet. */
  static of(kafka: Kafka, bootstrap: readonly BrokerAddress[]): KafkajsInternals {
    const internals = new KafkajsInternals()
    const key = Object.getOwnPropertySymbols(kafka).find((symbol) =>
      String(symbol.description).includes('createCluster'),
    )
    const create: unknown = key === undefined ? undefined : Reflect.get(kafka, key)
    if (key === undefined || typeof create !== 'function') throw wrongVersion()
    const createRepaired: CreateCluster = (options) => {
      const cluster = (create as CreateCluster)(options)
      repairConnections(cluster, bootstrap)
      internals.#keep(cluster)
      return cluster
    }
    Reflect.set(kafka, key, createRepaired)
    return internals
  }

  /** Brokers of the last metadata; none before there was any. */
  get brokers(): readonly BrokerAddress[] {
    return this.#cluster?.brokerPool.metadata?.brokers.map(({ host, port }) => ({ host, port })) ?? []
  }

  /**
   * Node id of the coordinator of a group. The admin's own way there keeps the broker's errors to itself.
   * @throws what the broker answers
   */
  async groupCoordinator(groupId: string): Promise<number> {
    const broker = await this.#known().brokerPool.findConnectedBroker()
    return (await broker.findGroupCoordinator({ groupId, coordinatorType: 0 })).coordinator.nodeId
  }

  /** Commits from outside of the group, which a broker refuses while the group has members (R19). */
  async commit(nodeId: number, groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
    const coordinator = await this.#known().findBroker({ nodeId })
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, offset }) => ({ partition, offset: String(offset), metadata: null })),
    }))
    await coordinator.offsetCommit({ groupId, groupGenerationId: -1, memberId: '', topics })
  }

  #keep(cluster: KafkajsCluster): void {
    this.#cluster = cluster
  }

  #known(): KafkajsCluster {
    if (this.#cluster === undefined) throw wrongVersion()
    return this.#cluster
  }
}

function repairConnections(cluster: KafkajsCluster, bootstrap: readonly BrokerAddress[]): void {
  const builder = cluster.connectionPoolBuilder
  const build = builder.build.bind(builder)
  let next = 0
  builder.build = async (address) => {
    // kafkajs takes a bootstrap address apart at its first colon.
    const pool = await build(address?.host === undefined ? bootstrap[next++ % bootstrap.length] : address)
    for (const { requestQueue } of pool.pool) {
      const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue)
      // It re-arms a timer of 1 ms for ever, with a negative delay that Node warns about: 4 % of a core a connection.
      requestQueue.scheduleCheckPendingRequests = () => {
        if (requestQueue.pending.length > 0) schedule()
      }
    }
    return pool
  }
}

function wrongVersion(): MillraceError {
  return new MillraceError('MR_INTERNAL', 'this needs kafkajs 2.2.4 exactly')
}
