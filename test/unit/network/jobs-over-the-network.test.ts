import { expect, test } from 'vitest'
import type { StreamExecutionEnvironment } from '../../../src/api/environment.ts'
import { RestartStrategies } from '../../../src/api/restart-strategies.ts'
import type { RemoteLinks } from '../../../src/network/remote-links.ts'
import { InlineCluster, TransactionalList } from '../actors/inline-cluster.ts'
import { listenAll } from './cluster-of-networks.ts'
import { proxyTo } from './cuttable-proxy.ts'

interface Counted {
  readonly key: string
  readonly count: number
}

const items = (size: number): readonly Counted[] =>
  Array.from({ length: size }, (_, index) => ({ key: `k${index % 7}`, count: 1 }))

const expectedCounts = (size: number): readonly string[] =>
  items(size)
    .map(({ key }, index) => `${key}:${Math.floor(index / 7) + 1}`)
    .toSorted()

const textsOf = (output: TransactionalList<Counted>): readonly string[] =>
  output.committed.map(({ key, count }) => `${key}:${count}`).toSorted()

function counting(size: number, output: TransactionalList<Counted>, onRecord: () => void = () => {}) {
  return (env: StreamExecutionEnvironment): void => {
    env.setParallelism(6).enableCheckpointing('5ms')
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '1ms' }))
    env
      .fromCollection(items(size))
      .map((value) => {
        onRecord()
        return value
      })
      .keyBy((value) => value.key)
      .reduce((a, b) => ({ key: a.key, count: a.count + b.count }))
      .sinkTo(output)
  }
}

test.each([[2], [3]])('a keyed job over %d TaskManagers gives what it gives on one', async (count) => {
  const output = new TransactionalList<Counted>()
  const cluster = new InlineCluster(counting(12_000, output), { slots: 6 / count, networks: await listenAll(count) })
  expect(await cluster.run()).toMatchObject({ state: 'FINISHED', error: undefined, restarts: 0 })
  expect(textsOf(output)).toEqual(expectedCounts(12_000))
})

test('connections that break in the middle of a job cost a restart each, and every output is there once', async () => {
  const output = new TransactionalList<Counted>()
  const networks = await listenAll(3)
  // c is dialled by both others.
  const proxy = await proxyTo(networks[2]?.network.address ?? '')
  let seen = 0
  const build = counting(60_000, output, () => {
    if (++seen % 25_000 === 0 && seen <= 75_000) proxy.cut()
  })
  const behindProxy = networks.map((one, index) =>
    index === 2 ? { ...one, network: linksOf(one.network, proxy.address) } : one,
  )
  const cluster = new InlineCluster(build, { slots: 2, networks: behindProxy })
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(result.restarts).toBeGreaterThan(0)
  expect(textsOf(output)).toEqual(expectedCounts(60_000))
  expect(proxy.made).toBeGreaterThan(2)
})

test('a connection on which nothing comes any more counts as broken after heartbeat.timeout', async () => {
  const output = new TransactionalList<Counted>()
  const networks = await listenAll(2, { limits: { heartbeatIntervalMs: 10, heartbeatTimeoutMs: 50 } })
  const proxy = await proxyTo(networks[1]?.network.address ?? '')
  let seen = 0
  const build = counting(60_000, output, () => {
    if (++seen === 30_000) proxy.stall()
  })
  const behindProxy = networks.map((one, index) =>
    index === 1 ? { ...one, network: linksOf(one.network, proxy.address) } : one,
  )
  const cluster = new InlineCluster(build, { slots: 3, networks: behindProxy })
  const result = await cluster.run()
  expect(result).toMatchObject({ state: 'FINISHED', error: undefined })
  expect(result.restarts).toBeGreaterThan(0)
  expect(proxy.made).toBeGreaterThan(1)
  expect(textsOf(output)).toEqual(expectedCounts(60_000))
})

/** The network, as others see it from behind a proxy. */
function linksOf(network: RemoteLinks, address: string) {
  return {
    address,
    connect: (...link: Parameters<RemoteLinks['connect']>) => network.connect(...link),
    onLost: (...listener: Parameters<RemoteLinks['onLost']>) => network.onLost(...listener),
  }
}
