import { withoutSecrets } from '../common/without-secrets.ts'
import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { planText } from '../graph/plan-text.ts'
import { bundleJob } from './bundle-job.ts'
import { evaluateJob } from './evaluate-job.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'

export interface PlanFlags extends ConfigurationFlags {
  readonly json?: boolean
}

/** `millrace plan`: evaluates the job as a run would and prints its graph. */
export async function planCommand(file: string, jobArguments: readonly string[], flags: PlanFlags): Promise<ExitCode> {
  const folder = process.cwd()
  const configuration = await loadConfiguration(folder, flags)
  const bundle = await bundleJob(file, folder)
  try {
    const { plan } = await evaluateJob({ jobFile: file, bundleUrl: bundle.url, arguments: jobArguments, configuration })
    const text =
      flags.json === true ? JSON.stringify(withoutSecrets(plan), undefined, 2) : planText(plan, { relativeTo: folder })
    process.stdout.write(`${text}\n`)
    return exitCode.done
  } finally {
    bundle.remove()
  }
}
