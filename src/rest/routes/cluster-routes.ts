import { z } from 'zod'
import { MillraceError } from '../../common/errors.ts'
import { shownConfiguration } from '../../config/shown-configuration.ts'
import { configurationAnswer, overviewAnswer, taskManagerAnswer } from '../answers/cluster.ts'
import type { ClusterTaskManager } from '../cluster-gateway.ts'
import {
  clusterOverview,
  dashboardConfiguration,
  jobManagerConfiguration,
  leader,
  taskManager,
  taskManagers,
} from '../schemas/cluster.ts'
import { errorAnswer } from '../schemas/common.ts'
import type { RestApp, RestServices } from '../services.ts'

const tags = ['cluster']
const taskManagerParams = z.object({ taskmanagerid: z.string().min(1) })
const logQuery = z.object({
  from: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('Byte of the log to begin with: the header of the answer before'),
})

/** Header of a part of a log: where the next part begins. */
export const nextByteHeader = 'millrace-next-byte'

export function clusterRoutes(app: RestApp, services: RestServices): void {
  app.get(
    '/config',
    { schema: { tags, summary: 'What a dashboard needs', response: { 200: dashboardConfiguration } } },
    async () => configurationAnswer(services.version),
  )
  app.get(
    '/overview',
    { schema: { tags, summary: 'The cluster in numbers', response: { 200: clusterOverview } } },
    async () => {
      const gateway = services.gateway()
      const [jobs, all] = await Promise.all([gateway.jobs(), gateway.taskManagers()])
      return overviewAnswer(jobs, all, services.version)
    },
  )
  app.get(
    '/jobmanager/config',
    { schema: { tags, summary: 'Configuration, without secrets', response: { 200: jobManagerConfiguration } } },
    async () => [...shownConfiguration(services.configuration)],
  )
  app.get('/leader', { schema: { tags, summary: 'Who leads', response: { 200: leader } } }, async () => ({
    leading: services.leading(),
    address: (await services.leaderAddress()) ?? null,
  }))
}

export function taskManagerRoutes(app: RestApp, services: RestServices): void {
  app.get(
    '/taskmanagers',
    { schema: { tags, summary: 'All TaskManagers', response: { 200: taskManagers } } },
    async () => {
      const all = await services.gateway().taskManagers()
      return { taskmanagers: all.map(taskManagerAnswer) }
    },
  )
  app.get(
    '/taskmanagers/:taskmanagerid',
    {
      schema: {
        tags,
        summary: 'One TaskManager',
        params: taskManagerParams,
        response: { 200: taskManager, 404: errorAnswer },
      },
    },
    async ({ params }) => {
      const all = await services.gateway().taskManagers()
      return taskManagerAnswer(named(all, params.taskmanagerid))
    },
  )
  app.get(
    '/taskmanagers/:taskmanagerid/log',
    {
      schema: {
        tags,
        summary: 'What a TaskManager has logged, as text',
        description: `The header ${nextByteHeader} says where the next part begins.`,
        produces: ['text/plain'],
        params: taskManagerParams,
        querystring: logQuery,
        response: { 200: z.string(), 404: errorAnswer },
      },
    },
    async ({ params, query }, reply) => {
      const { text, nextByte } = await services.gateway().log(params.taskmanagerid, query.from)
      void reply.header(nextByteHeader, String(nextByte)).type('text/plain; charset=utf-8')
      return text
    },
  )
}

function named(all: readonly ClusterTaskManager[], id: string): ClusterTaskManager {
  const found = all.find((each) => each.id === id)
  if (found !== undefined) return found
  throw new MillraceError('MR_TASK_MANAGER_NOT_FOUND', `there is no TaskManager ${id}`)
}
