import { join } from 'node:path'
import { loadConfiguration } from '../config/load.ts'
import { planText } from '../graph/plan-text.ts'
import { bundleJob } from './bundle-job.ts'
import { evaluateJob } from './evaluate-job.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'

export interface PlanFlags {
  readonly parallelism?: string
  readonly define: readonly string[]
  readonly json?: boolean
}

/** `millrace plan`: evaluates the job as a run would and prints its graph. */
export async function planCommand(file: string, jobArguments: readonly string[], flags: PlanFlags): Promise<ExitCode> {
  const definitions =
    flags.parallelism === undefined ? flags.define : [...flags.define, `parallelism.default=${flags.parallelism}`]
  const configuration = loadConfiguration(process.cwd(), definitions)
  const bundle = await bundleJob(file, join(process.cwd(), '.millrace', 'bundles'))
  const { plan } = await evaluateJob({ jobFile: file, bundleUrl: bundle.url, arguments: jobArguments, configuration })
  process.stdout.write(flags.json === true ? `${JSON.stringify(plan, undefined, 2)}\n` : `${planText(plan)}\n`)
  return exitCode.done
}
