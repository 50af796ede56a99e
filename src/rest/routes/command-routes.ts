import type { z } from 'zod'
import { MillraceError } from '../../common/errors.ts'
import type { JobPlan } from '../../graph/job-graph.ts'
import type { SubmitRequest } from '../cluster-gateway.ts'
import { errorAnswer } from '../schemas/common.ts'
import { accepted, patchQuery, stopRequest, submission, submitted } from '../schemas/requests.ts'
import type { RestApp, RestServices } from '../services.ts'
import { jobParams } from './job-routes.ts'

const tags = ['commands']

/** What changes something. Each may be repeated with the same `requestId` (R24). */
export function commandRoutes(app: RestApp, services: RestServices): void {
  const { ids } = services.ports
  app.post(
    '/jobs',
    {
      schema: {
        tags,
        summary: 'Run a job',
        body: submission,
        response: { 201: submitted, 400: errorAnswer, 413: errorAnswer },
      },
    },
    async ({ body }, reply) => {
      const jobid = await services.gateway().submit(submitRequestOf(body))
      void reply.code(201)
      return { jobid }
    },
  )
  app.patch(
    '/jobs/:jobid',
    {
      schema: {
        tags,
        summary: 'Cancel a job, without a last checkpoint',
        params: jobParams,
        querystring: patchQuery,
        response: { 202: accepted, 404: errorAnswer },
      },
    },
    async ({ params, query }, reply) => {
      const requestId = query.requestId ?? ids.hexadecimal()
      await services.gateway().cancel(params.jobid, requestId)
      void reply.code(202)
      return { 'request-id': requestId }
    },
  )
  app.post(
    '/jobs/:jobid/stop',
    {
      schema: {
        tags,
        summary: 'Stop a job after a last checkpoint, or drain it',
        params: jobParams,
        body: stopRequest,
        response: { 202: accepted, 400: errorAnswer, 404: errorAnswer },
      },
    },
    async ({ params, body }, reply) => {
      refuseSavepoint(body)
      const requestId = body.requestId ?? body.triggerId ?? ids.hexadecimal()
      const gateway = services.gateway()
      await (body.drain ? gateway.drain(params.jobid, requestId) : gateway.suspend(params.jobid, requestId))
      void reply.code(202)
      return { 'request-id': requestId }
    },
  )
}

function submitRequestOf({ bundle, plan, restore, ...request }: z.output<typeof submission>): SubmitRequest {
  const bytes = Buffer.from(bundle, 'base64')
  // Node passes over what is no base64.
  if (bytes.toString('base64').replace(/=+$/, '') !== bundle.replace(/=+$/, '')) {
    throw new MillraceError('MR_REQUEST', 'body.bundle: it is not base64')
  }
  return {
    ...request,
    bundle: bytes,
    // The schema has looked at what the leader works with; the rest is for the slots, which compare it with their own (R38).
    plan: plan as unknown as JobPlan,
    ...(restore === undefined ? {} : { restore }),
  }
}

function refuseSavepoint({ targetDirectory }: { readonly targetDirectory?: string | null | undefined }): void {
  if (targetDirectory === undefined || targetDirectory === null) return
  throw new MillraceError(
    'MR_REQUEST',
    'body.targetDirectory: there are no savepoints yet; leave it out to stop after a last checkpoint',
  )
}
