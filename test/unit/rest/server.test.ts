import { expect, test } from 'vitest'
import type { JobId } from '../../../src/common/ids.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { ClusterClient } from '../../../src/rest/client.ts'
import { checkpointConfiguration, checkpointStatistics } from '../../../src/rest/schemas/checkpoints.ts'
import * as cluster from '../../../src/rest/schemas/cluster.ts'
import * as job from '../../../src/rest/schemas/job.ts'
import { jobDetail } from '../../../src/rest/schemas/requests.ts'
import { startGateway, startServer, submissionOf, until } from './support/rest-cluster.ts'

const clientOf = (url: string, token?: string, retryMs = 5000): ClusterClient =>
  new ClusterClient({ addresses: [url], token, retryMs, ports: systemPorts })

async function started(name: string) {
  const gateway = startGateway()
  const server = await startServer({ gateway: () => gateway })
  const client = clientOf(server.url)
  const id = await client.submit(submissionOf(name))
  return { gateway, server, client, id }
}

const ended = (client: ClusterClient, id: JobId) =>
  until('end', async () => {
    const detail = await client.detail(id)
    return detail.ended && detail
  })

const json = async (url: string): Promise<unknown> => (await fetch(url)).json()

test('a job is submitted, runs and ends; every answer has the form that its schema says', async () => {
  const { server, client, id } = await started('short')
  const detail = await ended(client, id)
  expect(detail).toMatchObject({ jobName: 'short', state: 'FINISHED', error: null })
  expect(detail.metrics).toMatchObject({ recordsIn: 10, recordsOut: 10 })
  const answers = {
    '/config': cluster.dashboardConfiguration,
    '/overview': cluster.clusterOverview,
    '/jobs': cluster.jobIds,
    '/jobs/overview': job.jobsOverview,
    [`/jobs/${id}`]: job.jobDetails,
    [`/jobs/${id}/status`]: job.jobState,
    [`/jobs/${id}/config`]: job.jobConfiguration,
    [`/jobs/${id}/plan`]: job.jobPlan,
    [`/jobs/${id}/detail`]: jobDetail,
    [`/jobs/${id}/checkpoints`]: checkpointStatistics,
    [`/jobs/${id}/checkpoints/config`]: checkpointConfiguration,
    [`/jobs/${id}/exceptions`]: job.jobExceptions,
    '/taskmanagers': cluster.taskManagers,
    '/taskmanagers/tm-1': cluster.taskManager,
    '/jobmanager/config': cluster.jobManagerConfiguration,
    '/leader': cluster.leader,
  }
  for (const [path, schema] of Object.entries(answers)) {
    for (const prefix of ['', '/v1']) {
      const answer = await json(`${server.url}${prefix}${path}`)
      // A schema leaves out what it does not know: the answer has no more and no less.
      expect(schema.parse(answer), path).toEqual(answer)
    }
  }
})

test('checkpoints, vertices and slots of a running job are told; it stops after a last checkpoint', async () => {
  const { client, id } = await started('endless')
  await until('checkpoint', async () => (await client.checkpoints(id)).history.length > 1)
  const { state, vertices } = await client.job(id)
  expect(state).toBe('RUNNING')
  expect(vertices.map(({ status, tasks }) => [status, tasks['RUNNING']])).toEqual([
    ['RUNNING', 2],
    ['RUNNING', 2],
  ])
  expect(await client.overview()).toMatchObject({ 'slots-total': 4, 'slots-available': 2, 'jobs-running': 1 })
  await client.stop(id, 'suspend')
  const detail = await ended(client, id)
  expect(detail.state).toBe('SUSPENDED')
  const { history, latest, counts } = await client.checkpoints(id)
  expect(latest.completed?.id).toBe(history[0]?.id)
  expect(counts.completed).toBe(detail.checkpoints.completed)
})

test('a drained job ends FINISHED, a cancelled one CANCELED; asking again changes nothing', async () => {
  const { client, id } = await started('endless')
  const second = await client.submit(submissionOf('endless'))
  await until('running jobs', async () => (await client.jobs()).every(({ state }) => state === 'RUNNING'))
  await client.stop(id, 'drain')
  await client.cancel(second)
  expect((await ended(client, id)).state).toBe('FINISHED')
  expect((await ended(client, second)).state).toBe('CANCELED')
  await client.cancel(id)
  expect((await client.detail(id)).state).toBe('FINISHED')
})

test('a failure is told with its place, in Flink’s shape and in ours', async () => {
  const { client, id } = await started('broken')
  const detail = await ended(client, id)
  expect(detail).toMatchObject({ state: 'FAILED', error: { code: 'MR_USER_FUNCTION' } })
  const { entries } = (await client.exceptions(id)).exceptionHistory
  expect(entries[0]?.exceptionName).toBe('MR_USER_FUNCTION')
  expect(entries[0]?.stacktrace).toContain('five is too much')
})

test('a submission that is repeated with its request id gives the first answer (R24)', async () => {
  const { gateway, server } = await started('short')
  const { bundle, ...rest } = submissionOf('short')
  const body = JSON.stringify({ requestId: 'request-1', bundle: bundle.toString('base64'), ...rest })
  const headers = { 'content-type': 'application/json' }
  const send = () => fetch(`${server.url}/jobs`, { method: 'POST', headers, body })
  const answers = await Promise.all([send(), send()])
  const [one, other] = await Promise.all(answers.map((answer) => answer.json()))
  expect(answers.map(({ status }) => status)).toEqual([201, 201])
  expect(one).toEqual(other)
  expect(await gateway.jobs()).toHaveLength(2)
})

test('a log is read in parts', async () => {
  const { client } = await started('short')
  const first = await client.log('tm-1', 0)
  expect(first.text).toBe('{"msg":"one"}\n{"msg":"two"}\n')
  expect(await client.log('tm-1', first.nextByte)).toEqual({ text: '', nextByte: first.nextByte })
  await expect(client.log('tm-2', 0)).rejects.toMatchObject({ code: 'MR_TASK_MANAGER_NOT_FOUND' })
})

test('a wrong request gets one clear error in JSON', async () => {
  const { server } = await started('short')
  const gone = 'f'.repeat(32)
  const ask = async (method: string, path: string, body?: string, type = 'application/json') => {
    const headers = body === undefined ? {} : { 'content-type': type }
    const response = await fetch(`${server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    return { status: response.status, ...((await response.json()) as { code: string; errors: readonly string[] }) }
  }
  expect(await ask('GET', `/jobs/${gone}`)).toMatchObject({ status: 404, code: 'MR_JOB_NOT_FOUND' })
  expect(await ask('GET', '/jobs/x')).toMatchObject({
    status: 400,
    code: 'MR_REQUEST',
    errors: ['params.jobid: a job id has 32 lower-case hexadecimal digits'],
  })
  expect(await ask('PATCH', `/jobs/${gone}?mode=stop`)).toMatchObject({
    status: 400,
    errors: ['query.mode: it takes cancel'],
  })
  expect(await ask('GET', '/nothing')).toMatchObject({ status: 404, code: 'MR_REQUEST' })
  expect(await ask('POST', '/jobs', '{')).toMatchObject({ status: 400, code: 'MR_REQUEST' })
  expect(await ask('POST', '/jobs', 'x', 'text/plain')).toMatchObject({ status: 415, code: 'MR_REQUEST' })
  const { errors } = await ask('POST', '/jobs', '{"requestId":"x"}')
  expect(errors.map((error) => error.split(':')[0])).toEqual(['body.requestId', 'body.bundle', 'body.plan'])
  const { bundle: _bundle, ...rest } = submissionOf('short')
  const notBase64 = JSON.stringify({ requestId: 'request-1', bundle: 'a b!', ...rest })
  expect(await ask('POST', '/jobs', notBase64)).toMatchObject({
    status: 400,
    errors: ['body.bundle: it is not base64'],
  })
  expect(await ask('POST', `/jobs/${gone}/stop`, '{"targetDirectory":"/tmp"}')).toMatchObject({ status: 400 })
})

test('a bundle that is too large is refused with the limit, also by a standby', async () => {
  const gateway = startGateway()
  const configuration = { 'rest.server.max-content-length': 20_000 }
  const leading = await startServer({ gateway: () => gateway, configuration })
  const standby = await startServer({ configuration, leaderAddress: async () => leading.url })
  for (const { url } of [leading, standby]) {
    const large = { ...submissionOf('short'), bundle: Buffer.alloc(3_000_000) }
    await expect(clientOf(url).submit(large)).rejects.toMatchObject({
      code: 'MR_REQUEST_TOO_LARGE',
      message: expect.stringContaining('rest.server.max-content-length, 20000 bytes'),
    })
  }
})

test('an unexpected error is logged, and its text is not told to the client', async () => {
  const lines: string[] = []
  const logger = {
    ...silentLogger,
    error: (fields: object, text: string) => void lines.push(`${JSON.stringify(fields)} ${text}`),
  }
  const gateway = startGateway()
  const failing = Object.assign(Object.create(gateway) as typeof gateway, {
    jobs: () => Promise.reject(new Error('the inner secret')),
  })
  const { url } = await startServer({ gateway: () => failing, logger })
  const response = await fetch(`${url}/jobs`)
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('inner secret')
  expect(lines.join()).toContain('the inner secret')
})

test('the document of the API names every path once, with its answers', async () => {
  const { url } = await startServer()
  const document = (await json(`${url}/openapi.json`)) as {
    openapi: string
    paths: Record<string, Record<string, unknown>>
  }
  expect(document.openapi).toBe('3.1.0')
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining(['/jobs', '/jobs/{jobid}', '/jobs/{jobid}/stop', '/taskmanagers']),
  )
  expect(Object.keys(document.paths).filter((path) => path.startsWith('/v1'))).toEqual([])
  expect(document.paths['/jobs/{jobid}']?.['get']).toMatchObject({
    parameters: [{ in: 'path', name: 'jobid', required: true }],
    responses: { 200: { content: { 'application/json': { schema: { type: 'object' } } } } },
  })
})

test('GET /jobmanager/config shows keys, but no secrets', async () => {
  const configuration = {
    'security.rest.token': 'sesame',
    'high-availability.redis.url': 'redis://user:sesame@host:6379,redis://:sesame@other:6379',
    'high-availability.redis.password': 'sesame',
    'rest.port': 0,
  }
  const { url } = await startServer({ configuration, gateway: () => startGateway() })
  const response = await fetch(`${url}/jobmanager/config`, { headers: { authorization: 'Bearer sesame' } })
  const text = await response.text()
  expect(text).not.toContain('sesame')
  expect(JSON.parse(text)).toContainEqual({
    key: 'high-availability.redis.url',
    value: 'redis://(hidden)@host:6379,redis://(hidden)@other:6379',
  })
})
