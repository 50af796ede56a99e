import type { JobId } from '../common/ids.ts'
import { systemClock } from '../common/system-ports.ts'
import type { ClusterClient } from '../rest/client.ts'
import type { ClusterFlags } from './cluster-connection.ts'
import { type ExitCode, exitCode } from './exit-codes.ts'
import { findJob } from './find-job.ts'
import { clusterOf } from './job-commands.ts'

export interface LogsFlags extends ClusterFlags {
  readonly follow?: boolean
}

const followIntervalMs = 1000

/** `millrace logs`: what a TaskManager has logged, or what the TaskManagers of a job have logged of it. */
export async function logsCommand(target: string, flags: LogsFlags): Promise<ExitCode> {
  const client = await clusterOf(flags)
  const whole = (await client.taskManagers()).some(({ id }) => id === target)
  const job = whole ? undefined : await findJob(client, target)
  const readers = new Map<string, LogReader>()
  for (;;) {
    const detail = job === undefined ? undefined : await client.detail(job)
    for (const id of detail?.taskManagers ?? [target]) {
      const reader = readers.get(id) ?? new LogReader(client, id)
      readers.set(id, reader)
      await reader.readOn((line) => printLine(line, { job, json: flags.json === true }))
    }
    if (flags.follow !== true || detail?.ended === true) break
    await new Promise<void>((resolve) => systemClock.schedule(followIntervalMs, resolve))
  }
  return exitCode.done
}

/** A log in parts, cut into lines. */
class LogReader {
  readonly #client: ClusterClient
  readonly #taskManager: string
  #next = 0
  #begun = ''

  constructor(client: ClusterClient, taskManager: string) {
    this.#client = client
    this.#taskManager = taskManager
  }

  async readOn(take: (line: string) => void): Promise<void> {
    for (;;) {
      const { text, nextByte } = await this.#client.log(this.#taskManager, this.#next)
      if (nextByte === this.#next) return
      this.#next = nextByte
      const lines = `${this.#begun}${text}`.split('\n')
      this.#begun = lines.pop() ?? ''
      for (const line of lines) take(line)
    }
  }
}

interface LogLine {
  readonly level?: number
  readonly time?: number
  readonly msg?: string
  readonly jobId?: string
}

function printLine(line: string, { job, json }: { readonly job: JobId | undefined; readonly json: boolean }): void {
  const parsed = lineOf(line)
  if (job !== undefined && parsed?.jobId !== job) return
  process.stdout.write(`${json || parsed === undefined ? line : lineText(parsed)}\n`)
}

/** undefined: it is no line of the log, but something that a job has printed. */
function lineOf(line: string): LogLine | undefined {
  try {
    const parsed: unknown = JSON.parse(line)
    const isLine = typeof parsed === 'object' && parsed !== null && 'msg' in parsed && 'level' in parsed
    return isLine ? (parsed as LogLine) : undefined
  } catch {
    return undefined
  }
}

const levels: Readonly<Record<number, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' }

function lineText({ level = 30, time, msg, ...rest }: LogLine): string {
  const { pid: _pid, hostname: _hostname, ...fields } = rest as Readonly<Record<string, unknown>>
  const at = time === undefined ? '' : `${new Date(time).toISOString()} `
  const shown = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `${at}${(levels[level] ?? String(level)).padEnd(5)} ${msg}${shown.join('')}`
}
