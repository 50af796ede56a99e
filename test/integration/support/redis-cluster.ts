import { RedisServer } from './redis.ts'

const slots = 16384

/** Three masters without replicas. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[]

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  static async start(): Promise<RedisCluster> {
    const settings = { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf', 'cluster-node-timeout': '2000' }
    const nodes = await Promise.all([1, 2, 3].map(() => RedisServer.start(settings)))
    return new RedisCluster(nodes)
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url)
  }

  /** Resolves when all nodes know that all slots are served. */
  async formed(): Promise<void> {
    const share = Math.ceil(slots / this.nodes.length)
    for (const [index, node] of this.nodes.entries()) {
      const last = Math.min(slots, (index + 1) * share) - 1
      await node.client.call('CLUSTER', 'ADDSLOTSRANGE', index * share, last)
      for (const other of this.nodes) if (other !== node) await node.client.cluster('MEET', '127.0.0.1', other.port)
    }
    const limit = Date.now() + 30_000
    for (const node of this.nodes) {
      while (!(await node.client.cluster('INFO')).includes('cluster_state:ok')) {
        if (Date.now() > limit) throw new Error('the cluster does not form')
        await new Promise((resume) => setTimeout(resume, 50))
      }
    }
  }

  /** Of each node. */
  async keysOfNodes(): Promise<readonly (readonly string[])[]> {
    return await Promise.all(this.nodes.map(({ client }) => client.keys('*')))
  }

  async keys(): Promise<readonly string[]> {
    return (await this.keysOfNodes()).flat()
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) await node.stop()
  }
}
