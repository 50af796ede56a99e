import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { ClusterClient } from '../../../src/rest/client.ts'
import type { ClusterGateway } from '../../../src/rest/cluster-gateway.ts'
import { startGateway, startServer, submissionOf, until } from './support/rest-cluster.ts'

const clientOf = (addresses: readonly string[], retryMs = 10_000): ClusterClient =>
  new ClusterClient({ addresses, token: undefined, retryMs, ports: systemPorts })

/** Takes connections and never answers, as a process that is stopped. */
async function startSilent(): Promise<string> {
  const server: Server = createServer(() => {}).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An address where nobody listens. */
async function startGone(): Promise<string> {
  const server = await startServer()
  await server.close()
  return server.url
}

test('a standby passes requests on to the leader, with their bodies, and the answers back', async () => {
  const gateway = startGateway()
  const leader = await startServer({ gateway: () => gateway })
  const standby = await startServer({ leaderAddress: async () => leader.url })
  const client = clientOf([standby.url])
  const id = await client.submit(submissionOf('short'))
  await until('end', async () => (await client.detail(id)).ended)
  expect(await client.jobs()).toMatchObject([{ jid: id, state: 'FINISHED' }])
  await expect(client.detail('f'.repeat(32) as typeof id)).rejects.toMatchObject({ code: 'MR_JOB_NOT_FOUND' })
  expect(await client.leader()).toEqual({ leading: false, address: leader.url })
  expect((await fetch(`${standby.url}/openapi.json`)).status).toBe(200)
  expect((await client.log('tm-1', 0)).nextByte).toBeGreaterThan(0)
})

test('two standbys that take each other for the leader answer 503, and pass nothing on in circles', async () => {
  const urls: string[] = []
  const one = await startServer({ leaderAddress: async () => urls[1] })
  const other = await startServer({ leaderAddress: async () => urls[0] })
  urls.push(one.url, other.url)
  const response = await fetch(`${one.url}/jobs`)
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
  expect(await response.json()).toMatchObject({ code: 'MR_NO_LEADER' })
})

test('one that is named as the leader and does not lead answers 503', async () => {
  const server = await startServer({ leaderAddress: async (): Promise<string> => server.url })
  expect((await fetch(`${server.url}/overview`)).status).toBe(503)
})

test.each([
  { what: 'is gone', start: startGone },
  { what: 'hangs', start: startSilent },
])('a leader that $what is answered for with 503', async ({ start }) => {
  const address = await start()
  const { url } = await startServer({ leaderAddress: async () => address, timeoutMs: 300 })
  const response = await fetch(`${url}/jobs`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ code: 'MR_NO_LEADER' })
})

test('a leader that hangs is not waited for when another one leads', async () => {
  const silent = await startSilent()
  const gateway = startGateway()
  const next = await startServer({ gateway: () => gateway })
  let leading = silent
  const standby = await startServer({ leaderAddress: async () => leading })
  const answer = clientOf([standby.url]).jobs()
  leading = next.url
  expect(await answer).toEqual([])
})

test('a client goes on asking until someone leads: one submission, one job', async () => {
  const gateway = startGateway()
  let leads: ClusterGateway | undefined
  const server = await startServer({ gateway: () => leads })
  const gone = await startGone()
  const client = clientOf([gone, server.url])
  const submitted = client.submit(submissionOf('short'))
  systemPorts.clock.schedule(200, () => {
    leads = gateway
  })
  const id = await submitted
  expect((await gateway.jobs()).map(({ status }) => status.jobId)).toEqual([id])
})

test('a submission whose answer was lost is found again by its request id (R24)', async () => {
  const gateway = startGateway()
  const server = await startServer({ gateway: () => gateway })
  let lost = 0
  // Passes the request on and drops the first connection when the answer would come.
  const dropping = createServer((socket) => {
    const { hostname, port } = new URL(server.url)
    const upstream = connect(Number(port), hostname)
    socket.on('error', () => {}).on('close', () => upstream.destroy())
    upstream.on('error', () => {}).on('close', () => socket.destroy())
    socket.pipe(upstream)
    if (lost++ > 0) upstream.pipe(socket)
    else upstream.once('data', () => socket.destroy())
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void dropping.close())
  await new Promise((resolve) => dropping.once('listening', resolve))
  const client = clientOf([`127.0.0.1:${(dropping.address() as AddressInfo).port}`])
  const id = await client.submit(submissionOf('short'))
  expect(lost).toBeGreaterThan(1)
  expect((await gateway.jobs()).map(({ status }) => status.jobId)).toEqual([id])
})

test('nobody at the addresses: the error names them all', async () => {
  const addresses = [await startGone(), await startGone()]
  const error = await clientOf(addresses, 200)
    .jobs()
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'MR_CLUSTER_UNREACHABLE', message: expect.stringContaining('ECONNREFUSED') })
  for (const address of addresses) expect(String(error)).toContain(address)
})

test('nobody leads for longer than the client waits', async () => {
  const { url } = await startServer()
  await expect(clientOf([url], 200).jobs()).rejects.toMatchObject({ code: 'MR_NO_LEADER' })
})

test('something that is no JobManager is told apart', async () => {
  const server = createHttpServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  await expect(clientOf([address], 200).jobs()).rejects.toMatchObject({
    code: 'MR_CLUSTER_UNREACHABLE',
    message: expect.stringContaining('is no JobManager that can be talked to'),
  })
})
