import { userPlace } from '../api/declaration.ts'
import { buildJob, isJob, type JobDefinition } from '../api/job.ts'
import { isMillraceError, MillraceError, messageOf } from '../common/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import { createJobGraph } from '../graph/chaining.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import { planOf } from '../graph/plan.ts'
import { importBundle } from '../task/engine-modules.ts'

export interface JobToEvaluate {
  /** The file that the person named, for messages. */
  readonly jobFile: string
  readonly bundleUrl: string
  readonly arguments: readonly string[]
  readonly configuration: Configuration
}

/**
 * The client's evaluation of a job (R27): imports the bundle and builds the graph, as each slot will do again.
 * @throws MillraceError MR_JOB_DEFINITION naming the file, or the operator and where it was declared
 */
export async function evaluateJob(job: JobToEvaluate): Promise<{ readonly plan: JobPlan }> {
  const definition = await importDefinition(job)
  const graph = buildJob(definition, job.arguments, job.configuration)
  return { plan: planOf(createJobGraph(graph)) }
}

async function importDefinition({ jobFile, bundleUrl }: JobToEvaluate): Promise<JobDefinition> {
  let exported: unknown
  try {
    exported = await importBundle(bundleUrl)
  } catch (error) {
    if (isMillraceError(error)) throw error
    const place = error instanceof Error ? userPlace(error.stack) : undefined
    // A job's imports that do not fit are thrown by Node, below the libraries of the command line.
    const where = place === undefined || place.includes('/node_modules/') ? '' : ` at ${place}`
    throw new MillraceError('MR_JOB_DEFINITION', `${jobFile} threw while it was loaded${where}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  if (isJob(exported)) return exported
  throw new MillraceError(
    'MR_JOB_DEFINITION',
    `${jobFile}: its default export is no job; write export default job('name', (env) => { … })`,
  )
}
