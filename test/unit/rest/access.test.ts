import { request } from 'node:http'
import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { ClusterClient } from '../../../src/rest/client.ts'
import { restSettings } from '../../../src/rest/rest-settings.ts'
import { startGateway, startServer } from './support/rest-cluster.ts'

const token = 'open-sesame'

test.each(['0.0.0.0', '::', '192.168.1.2', 'example.com'])(
  'binding to %s without a token is refused, naming the key',
  (bindAddress) => {
    expect(() => restSettings({ 'rest.bind-address': bindAddress })).toThrow(/security\.rest\.token/)
    expect(restSettings({ 'rest.bind-address': bindAddress, 'security.rest.token': token }).token).toBe(token)
  },
)

test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('binding to %s needs none', (bindAddress) => {
  expect(restSettings({ 'rest.bind-address': bindAddress })).toMatchObject({
    bindAddress,
    port: 8081,
    token: undefined,
  })
})

test('with a token only those who know it are answered, on every path', async () => {
  const lines: string[] = []
  const note = (fields: object, text: string): void => void lines.push(JSON.stringify(fields) + text)
  const logger = { ...silentLogger, debug: note, info: note, warn: note, error: note }
  const gateway = startGateway()
  const { url } = await startServer({ gateway: () => gateway, configuration: { 'security.rest.token': token }, logger })
  const statusOf = async (path: string, authorization?: string): Promise<number> =>
    (await fetch(`${url}${path}`, { headers: authorization === undefined ? {} : { authorization } })).status
  for (const path of ['/overview', '/v1/jobs', '/openapi.json', '/leader', '/nothing']) {
    expect(await statusOf(path), path).toBe(401)
    expect(await statusOf(path, `Bearer ${token}x`), path).toBe(401)
    expect(await statusOf(path, token), path).toBe(401)
  }
  expect(await statusOf('/overview', `Bearer ${token}`)).toBe(200)
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.join()).not.toContain(token)
})

test('a client without the token is told so once, without trying again', async () => {
  const { url } = await startServer({ configuration: { 'security.rest.token': token } })
  const options = { addresses: [url], retryMs: 60_000, ports: systemPorts }
  await expect(new ClusterClient({ ...options, token: undefined }).overview()).rejects.toMatchObject({
    code: 'MR_UNAUTHORIZED',
    message: 'this cluster wants a token',
  })
  await expect(new ClusterClient({ ...options, token: 'wrong' }).overview()).rejects.toMatchObject({
    code: 'MR_UNAUTHORIZED',
    message: 'the token is not that of this cluster',
  })
})

/** fetch does not let its user choose these headers. */
function statusWith(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/config`, { headers }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })
}

test('without a token web pages of other sites are refused: by their origin, or by the name that they gave this machine', async () => {
  const { url } = await startServer({ gateway: () => startGateway() })
  const { host, port } = new URL(url)
  expect(await statusWith(url, {})).toBe(200)
  expect(await statusWith(url, { host: `localhost:${port}` })).toBe(200)
  expect(await statusWith(url, { origin: `http://${host}` })).toBe(200)
  expect(await statusWith(url, { origin: 'https://evil.example' })).toBe(401)
  expect(await statusWith(url, { origin: 'null' })).toBe(401)
  expect(await statusWith(url, { host: `evil.example:${port}` })).toBe(401)
})
