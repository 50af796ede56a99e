import { isMillraceError, MillraceError, messageOf } from '../common/errors.ts'
import { checkGraph } from '../graph/check-graph.ts'
import type { ConfigurationValues } from '../graph/resolve-configuration.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import { declaredFunction, definitionError, userPlace } from './declaration.ts'
import { StreamExecutionEnvironment } from './environment.ts'

const brand: unique symbol = Symbol.for('millrace.job') as never

/** Declares the operators of a job. Called once in each slot with the same arguments: it has to build the same each time. */
export type JobBuilder = (env: StreamExecutionEnvironment, args: readonly string[]) => void

/** What a job module exports by default. */
export interface JobDefinition {
  readonly [brand]: true
  readonly name: string
  readonly build: JobBuilder
}

/**
 * Defines a job. The module that exports it by default is what `millrace run` takes.
 * @param name names the job's checkpoints: a file name of at most 200 characters
 * @param build declares the operators; `args` is what follows `--` on the command line
 * @throws MillraceError MR_JOB_DEFINITION where the name can be no file name
 * @example
 * ```ts
 * import { job, type Sink } from 'millrace'
 *
 * declare const sink: Sink<number>
 * export default job('squares', (env, args) => {
 *   env
 *     .fromSequence(1, Number(args[0] ?? 100))
 *     .map((value) => value * value)
 *     .sinkTo(sink)
 * })
 * ```
 */
export function job(name: string, build: JobBuilder): JobDefinition {
  if (typeof name !== 'string' || !isFileName(name)) {
    throw definitionError(
      'job',
      `the name ${JSON.stringify(name)} is not allowed: the job's checkpoints are in a folder of that name, so it takes 1 to 200 characters, none of /\\<>:"|?*, no dot or space at its ends`,
    )
  }
  declaredFunction(build, `job '${name}'`, 'the second argument')
  return { [brand]: true, name, build }
}

/** True for a job definition, also of another copy of this package. */
export function isJob(value: unknown): value is JobDefinition {
  return typeof value === 'object' && value !== null && brand in value
}

/**
 * Evaluates a job: the graph that it declares, checked.
 * @param args what the job gets as its arguments
 * @param configuration what flags, environment and millrace.yaml say; the job's own settings win
 * @throws MillraceError MR_JOB_DEFINITION for wrong declarations and for anything that the job throws;
 *   MR_CONFIGURATION for wrong values of configuration keys
 */
export function buildJob(
  definition: JobDefinition,
  args: readonly string[] = [],
  configuration: ConfigurationValues = {},
): StreamGraph {
  const env = new StreamExecutionEnvironment(configuration)
  const result = evaluate(definition, env, args)
  if (result instanceof Promise) {
    result.catch(() => {})
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `job '${definition.name}': its function is async; a job is built synchronously`,
    )
  }
  const graph = env.finish(definition.name)
  checkGraph(graph)
  return graph
}

function evaluate(definition: JobDefinition, env: StreamExecutionEnvironment, args: readonly string[]): unknown {
  try {
    return definition.build(env, Object.freeze([...args])) as unknown
  } catch (error) {
    if (isMillraceError(error)) throw error
    const place = error instanceof Error ? userPlace(error.stack) : undefined
    const where = place === undefined ? '' : ` at ${place}`
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `job '${definition.name}' threw while it was built${where}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

/** One file name on every file system that we know: checkpoints of a job are in a folder of its name. */
function isFileName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return /^[^/\\<>:"|?*\u0000-\u001f]{1,200}$/.test(name) && !/^\.|[. ]$|^ /.test(name)
}
