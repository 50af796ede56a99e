import { z } from 'zod'
import type { JobId } from '../../common/ids.ts'
import { checkpointConfigurationAnswer, checkpointsAnswer } from '../answers/checkpoints.ts'
import {
  jobConfigurationAnswer,
  jobDetailAnswer,
  jobDetailsAnswer,
  jobExceptionsAnswer,
  jobPlanAnswer,
  jobsOverviewAnswer,
} from '../answers/job.ts'
import { flinkState } from '../answers/states.ts'
import type { ClusterJob } from '../cluster-gateway.ts'
import { checkpointConfiguration, checkpointStatistics } from '../schemas/checkpoints.ts'
import { jobIds } from '../schemas/cluster.ts'
import { errorAnswer, jobIdText } from '../schemas/common.ts'
import { jobConfiguration, jobDetails, jobExceptions, jobPlan, jobState, jobsOverview } from '../schemas/job.ts'
import { jobDetail } from '../schemas/requests.ts'
import type { RestApp, RestServices } from '../services.ts'

const tags = ['jobs']
export const jobParams = z.object({ jobid: jobIdText.transform((text) => text as JobId) })

/** A route that answers from one job. */
function jobSchema<T extends z.ZodType>(summary: string, answer: T) {
  return { tags, summary, params: jobParams, response: { 200: answer, 404: errorAnswer } }
}

export function jobListRoutes(app: RestApp, services: RestServices): void {
  const now = (): number => services.ports.clock.now()
  app.get('/jobs', { schema: { tags, summary: 'Ids and states', response: { 200: jobIds } } }, async () => {
    const jobs = await services.gateway().jobs()
    return { jobs: jobs.map(({ status }) => ({ id: status.jobId, status: flinkState(status.state) })) }
  })
  app.get('/jobs/overview', { schema: { tags, summary: 'All jobs', response: { 200: jobsOverview } } }, async () =>
    jobsOverviewAnswer(await services.gateway().jobs(), now()),
  )
}

const exceptionsQuery = z.object({ maxExceptions: z.coerce.number().int().min(1).max(100).default(16) })

export function jobRoutes(app: RestApp, services: RestServices): void {
  const now = (): number => services.ports.clock.now()
  const jobOf = (id: JobId): Promise<ClusterJob> => services.gateway().job(id)
  app.get('/jobs/:jobid', { schema: jobSchema('A job with its vertices', jobDetails) }, async ({ params }) =>
    jobDetailsAnswer(await jobOf(params.jobid), now()),
  )
  app.get('/jobs/:jobid/status', { schema: jobSchema('State of a job', jobState) }, async ({ params }) => ({
    status: flinkState((await jobOf(params.jobid)).status.state),
  }))
  app.get('/jobs/:jobid/detail', { schema: jobSchema('A job as Millrace sees it', jobDetail) }, async ({ params }) =>
    jobDetailAnswer(await jobOf(params.jobid), now()),
  )
  app.get('/jobs/:jobid/plan', { schema: jobSchema('Graph of a job', jobPlan) }, async ({ params }) =>
    jobPlanAnswer(await jobOf(params.jobid)),
  )
  app.get('/jobs/:jobid/config', { schema: jobSchema('Settings of a job', jobConfiguration) }, async ({ params }) =>
    jobConfigurationAnswer(await jobOf(params.jobid)),
  )
  app.get(
    '/jobs/:jobid/checkpoints',
    { schema: jobSchema('Checkpoints of a job', checkpointStatistics) },
    async ({ params }) => checkpointsAnswer(await jobOf(params.jobid)),
  )
  app.get(
    '/jobs/:jobid/checkpoints/config',
    { schema: jobSchema('How a job takes checkpoints', checkpointConfiguration) },
    async ({ params }) => checkpointConfigurationAnswer(await jobOf(params.jobid), services.checkpointStorage),
  )
  app.get(
    '/jobs/:jobid/exceptions',
    { schema: { ...jobSchema('Failures of a job, the newest first', jobExceptions), querystring: exceptionsQuery } },
    async ({ params, query }) => jobExceptionsAnswer(await jobOf(params.jobid), query.maxExceptions),
  )
}
