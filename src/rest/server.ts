import type { AddressInfo } from 'node:net'
import swagger from '@fastify/swagger'
import { type FastifyRequest, fastify } from 'fastify'
import { errorData, MillraceError, messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { Ports } from '../common/ports.ts'
import type { Configuration } from '../config/configuration.ts'
import { checkAccess } from './access.ts'
import type { ClusterGateway } from './cluster-gateway.ts'
import { errorAnswerOf } from './error-answer.ts'
import { forward, forwardedHeader } from './forwarding.ts'
import { hostInUrl, type RestSettings } from './rest-settings.ts'
import { clusterRoutes, taskManagerRoutes } from './routes/cluster-routes.ts'
import { commandRoutes } from './routes/command-routes.ts'
import { jobListRoutes, jobRoutes } from './routes/job-routes.ts'
import { documentedSchema, validatorCompiler, type ZodTypeProvider } from './schema-compilers.ts'
import type { RestApp, RestServices } from './services.ts'

export interface RestServerOptions {
  /** Made by `restSettings`, which refuses what is not safe. */
  readonly settings: RestSettings
  /** undefined: this process does not lead now. */
  readonly gateway: () => ClusterGateway | undefined
  /** URL of the leader's REST server; undefined: nobody leads. */
  readonly leaderAddress: () => Promise<string | undefined>
  /** Of this process, for GET /jobmanager/config. */
  readonly configuration: Configuration
  /** `redis` or `filesystem`. */
  readonly checkpointStorage: string
  /** Of Millrace. */
  readonly version: string
  readonly ports: Ports
  readonly logger: Logger
  /** A request that takes longer is answered with 503. Default 30 s */
  readonly timeoutMs?: number
}

export interface RestServer {
  /** Such as `http://127.0.0.1:8081`: what others find it by when it leads. */
  readonly url: string
  close(): Promise<void>
}

const defaultTimeoutMs = 30_000
/** For the whole of a request to arrive. */
const receiveTimeoutMs = 120_000

/**
 * The REST server of a JobManager process. Where another one leads, it passes requests on to that one.
 * @throws MillraceError MR_CONFIGURATION where it can not listen
 */
export async function startRestServer(options: RestServerOptions): Promise<RestServer> {
  const { settings, logger, timeoutMs = defaultTimeoutMs } = options
  const app: RestApp = fastify({
    logger: false,
    bodyLimit: settings.maxContentLengthBytes,
    handlerTimeout: timeoutMs,
    requestTimeout: receiveTimeoutMs,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by our own functions; the tests hold them to their schemas.
  app.setSerializerCompiler(() => (answer: unknown) => JSON.stringify(answer))
  answerErrors(app, settings, logger)
  acceptJsonAlone(app)
  logRequests(app, logger, options.ports)
  let url = ''
  admitAndForward(app, options, () => url)
  const services = servicesOf(options)
  await document(app, options.version)
  for (const prefix of ['', '/v1']) {
    await app.register(
      (plain, _options, done) => {
        routes(plain.withTypeProvider<ZodTypeProvider>(), services)
        done()
      },
      { prefix },
    )
  }
  await listen(app, settings)
  const { port } = app.server.address() as AddressInfo
  url = `http://${hostInUrl(settings.bindAddress)}:${port}`
  logger.info({ url }, 'the REST server listens')
  return { url, close: () => app.close() }
}

function routes(app: RestApp, services: RestServices): void {
  clusterRoutes(app, services)
  taskManagerRoutes(app, services)
  jobListRoutes(app, services)
  jobRoutes(app, services)
  commandRoutes(app, services)
}

function servicesOf(options: RestServerOptions): RestServices {
  const { ports, version, configuration, checkpointStorage, leaderAddress } = options
  return {
    gateway: () => {
      const gateway = options.gateway()
      if (gateway === undefined) throw new MillraceError('MR_NO_LEADER', 'this JobManager does not lead any more')
      return gateway
    },
    leading: () => options.gateway() !== undefined,
    leaderAddress,
    ports,
    version,
    configuration,
    checkpointStorage,
  }
}

/** Answered by each process itself. */
const ownRoutes = /^(?:\/v1)?\/(?:leader|openapi\.json)\/?$/

/** Before a body is read: whoever is not allowed is refused, and what the leader should answer goes to it. */
function admitAndForward(app: RestApp, options: RestServerOptions, ownUrl: () => string): void {
  const { settings, gateway, leaderAddress, ports, logger, timeoutMs = defaultTimeoutMs } = options
  app.addHook('onRequest', async (request, reply) => {
    checkAccess(settings, request.headers)
    if (gateway() !== undefined || request.is404 || ownRoutes.test(pathOf(request))) return
    refuseLargeBody(request, settings)
    const leader = request.headers[forwardedHeader] === undefined ? await leaderAddress() : undefined
    if (leader === undefined || leader === ownUrl()) {
      throw new MillraceError('MR_NO_LEADER', 'no JobManager leads at the moment')
    }
    const beforeAnswer = (): void => void reply.hijack()
    const forwarding = { clock: ports.clock, leaderAddress, timeoutMs, beforeAnswer }
    const failure = await forward(request.raw, reply.raw, leader, forwarding)
    if (failure === undefined) return
    logger.warn({ leader }, `the leader did not answer: ${failure}`)
    throw new MillraceError('MR_NO_LEADER', `the JobManager that leads did not answer: ${failure}`)
  })
}

/** The length that the request tells; one that tells none is cut off by the leader. */
function refuseLargeBody({ headers }: FastifyRequest, { maxContentLengthBytes }: RestSettings): void {
  if (Number(headers['content-length'] ?? 0) <= maxContentLengthBytes) return
  throw Object.assign(new Error('the body is too large'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE' })
}

/** The query may hold what nobody should read in a log. */
function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0] ?? ''
}

function answerErrors(app: RestApp, { maxContentLengthBytes }: RestSettings, logger: Logger): void {
  app.setErrorHandler(async (error, request, reply) => {
    const { statusCode, headers, body, unexpected } = errorAnswerOf(error, maxContentLengthBytes)
    if (unexpected) {
      logger.error({ method: request.method, path: pathOf(request), error: errorData(error) }, messageOf(error))
    }
    void reply.code(statusCode).headers(headers)
    return body
  })
  app.setNotFoundHandler(async (request, reply) => {
    void reply.code(404)
    return { errors: [`there is no ${request.method} ${pathOf(request)}`], code: 'MR_REQUEST' }
  })
}

/** Flink's own clients send a content type also where they send no body: that counts as no body. */
function acceptJsonAlone(app: RestApp): void {
  // Plain text is what a web page may send without asking first.
  app.removeContentTypeParser('text/plain')
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, text, done) => {
    if (text === '') done(null, undefined)
    else void parse(request, text, done)
  })
}

function logRequests(app: RestApp, logger: Logger, { clock }: Ports): void {
  const started = new WeakMap<FastifyRequest, number>()
  app.addHook('onRequest', async (request) => void started.set(request, clock.monotonicMs()))
  app.addHook('onResponse', async (request, reply) => {
    const durationMs = Math.round(clock.monotonicMs() - (started.get(request) ?? 0))
    const fields = { method: request.method, path: pathOf(request), status: reply.statusCode, durationMs }
    if (request.method === 'GET') logger.debug(fields, 'request')
    else logger.info(fields, 'request')
  })
}

async function document(app: RestApp, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version,
        description:
          'REST API of a cluster. Paths are there with and without /v1. Answers are in the shapes of Flink where Flink has one.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }, {}],
    },
    transform: (route) => {
      const { schema, url } = documentedSchema({ schema: route.schema ?? {}, url: route.url })
      return { schema: url.startsWith('/v1/') ? { ...schema, hide: true } : schema, url }
    },
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

async function listen(app: RestApp, { bindAddress, port }: RestSettings): Promise<void> {
  try {
    await app.listen({ host: bindAddress, port })
  } catch (error) {
    await app.close()
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'another process has this port' : messageOf(error)
    throw new MillraceError(
      'MR_CONFIGURATION',
      `rest.port: the REST server can not listen on ${bindAddress}:${port}: ${why}`,
      {
        cause: error,
      },
    )
  }
}
