import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CommandOptions, type CommandResult, millrace, type RunningCommand, startMillrace } from './millrace.ts'

/** The line of `--json`. */
export interface Summary {
  readonly job: string
  readonly state: string
  readonly recordsIn: number
  readonly recordsOut: number
  readonly seconds: number
  readonly checkpoints: number
  readonly restarts: number
}

/** An empty folder in which a person tries the command line. */
export class TrialFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'command-line-'))

  write(name: string, text: string): string {
    const path = join(this.path, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return name
  }

  /** A job file whose builder is `body`, with everything a job may import at hand. */
  writeJob(name: string, body: string): string {
    return this.write(
      `${name}.ts`,
      `import { datagen, job, sum, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { double, json, record, string } from 'millrace/formats'
import { KafkaSource } from 'millrace/kafka'
import { execSync } from 'node:child_process'

export default job('${name}', (env, args) => {
${body}
})
`,
    )
  }

  run(args: readonly string[], options: Omit<CommandOptions, 'cwd'> = {}): Promise<CommandResult> {
    return millrace(['run', ...args], { ...options, cwd: this.path })
  }

  start(args: readonly string[], options: Omit<CommandOptions, 'cwd'> = {}): RunningCommand {
    return startMillrace(['run', ...args], { ...options, cwd: this.path })
  }

  plan(args: readonly string[], options: Omit<CommandOptions, 'cwd'> = {}): Promise<CommandResult> {
    return millrace(['plan', ...args], { ...options, cwd: this.path })
  }

  /** Bundles that commands have left. */
  leftovers(): readonly string[] {
    const bundles = join(this.path, '.millrace', 'bundles')
    return existsSync(bundles) ? readdirSync(bundles) : []
  }

  checkpoints(job: string, run: number): readonly string[] {
    const records = join(this.path, '.millrace', 'checkpoints', job, `run-${run}`, 'records')
    // A record that is being written has a temporary name, and is no checkpoint yet.
    return existsSync(records)
      ? readdirSync(records)
          .filter((name) => /^chk-\d+\.json$/.test(name))
          .toSorted()
      : []
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

export function summaryOf(result: CommandResult): Summary {
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Summary
}
