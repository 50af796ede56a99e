import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MillraceError, messageOf } from '../common/errors.ts'

export type ProcessKind = 'jobmanager' | 'taskmanager'

/** A background process that `cluster start` has left its pid file of. */
export interface BackgroundProcess {
  /** `jobmanager-1` */
  readonly name: string
  readonly kind: ProcessKind
  readonly pid: number
  readonly logFile: string
}

/** What a process has said on its log in text, for people. */
export interface ProcessWords {
  /** URL of a JobManager, id of a TaskManager in its present life; undefined: it has not got so far. */
  readonly identity: string | undefined
  readonly last: readonly string[]
}

const said = { jobmanager: /JobManager at (\S+),/, taskmanager: /TaskManager (\S+) with \d+ slots/ } as const
const mostLastLines = 6

/** `.millrace/cluster`: a pid file and a log of each background process of the cluster that was started in a folder. */
export class ClusterFolder {
  readonly path: string
  readonly #workingFolder: string

  constructor(workingFolder: string) {
    this.#workingFolder = workingFolder
    this.path = join(workingFolder, '.millrace', 'cluster')
  }

  /** In the order in which they were started. */
  processes(): readonly BackgroundProcess[] {
    if (!existsSync(this.path)) return []
    return readdirSync(this.path)
      .flatMap((file) => this.#processOf(file))
      .toSorted((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true }))
  }

  /**
   * Starts a command of Millrace that outlives this one; its output goes to its log.
   * @throws MillraceError MR_STORAGE
   */
  launch(name: string, kind: ProcessKind, commandArguments: readonly string[]): BackgroundProcess {
    const logFile = join(this.path, `${name}.log`)
    try {
      mkdirSync(this.path, { recursive: true })
      const log = openSync(logFile, 'w', 0o600)
      const [, binary = ''] = process.argv
      const child = spawn(process.execPath, [...process.execArgv, binary, kind, ...commandArguments], {
        cwd: this.#workingFolder,
        detached: true,
        stdio: ['ignore', log, log],
      })
      closeSync(log)
      child.on('error', () => {}) // it has no pid then
      child.unref()
      if (child.pid === undefined) throw new MillraceError('MR_STORAGE', `${kind}: no process could be started`)
      writeFileSync(join(this.path, `${name}.pid`), `${child.pid}\n`, { flag: 'wx' })
      return { name, kind, pid: child.pid, logFile }
    } catch (error) {
      if (error instanceof MillraceError) throw error
      throw new MillraceError('MR_STORAGE', `${this.path}: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Without its log, of a process that has ended. */
  forget({ name }: BackgroundProcess): void {
    rmSync(join(this.path, `${name}.pid`), { force: true })
  }

  /** With all logs of earlier processes. */
  clear(): void {
    if (!existsSync(this.path)) return
    const ours = readdirSync(this.path).filter((file) => /^(?:job|task)manager-\d+\.(?:pid|log)$/.test(file))
    for (const file of ours) rmSync(join(this.path, file), { force: true })
    if (readdirSync(this.path).length === 0) rmdirSync(this.path)
  }

  #processOf(file: string): readonly BackgroundProcess[] {
    const match = /^((jobmanager|taskmanager)-\d+)\.pid$/.exec(file)
    if (match === null) return []
    const [, name = '', kind] = match
    const pid = Number(readFileSync(join(this.path, file), 'utf8').trim())
    if (!Number.isInteger(pid) || pid <= 1) return []
    return [{ name, kind: kind as ProcessKind, pid, logFile: join(this.path, `${name}.log`) }]
  }
}

/** Whether the process runs; another one that has got its pid since is not it, nor is one that only waits to be reaped. */
export function isRunning({ pid, kind }: BackgroundProcess): boolean {
  const command = commandOf(pid)
  return command.includes('millrace') && command.includes(` ${kind}`)
}

function commandOf(pid: number): string {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      return '' // there is no such process
    }
  }
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return ''
  }
}

/** False: it had ended already. */
export function signalTo(process_: BackgroundProcess, signal: NodeJS.Signals): boolean {
  if (!isRunning(process_)) return false
  try {
    return process.kill(process_.pid, signal)
  } catch {
    return false
  }
}

/** Reads its log, which may be long by now. */
export async function wordsOf({ kind, logFile }: BackgroundProcess): Promise<ProcessWords> {
  if (!existsSync(logFile)) return { identity: undefined, last: [] }
  let identity: string | undefined
  const last: string[] = []
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (line.startsWith('{')) continue // for machines
    identity = said[kind].exec(line)?.[1] ?? identity
    last.push(line)
    if (last.length > mostLastLines) last.shift()
  }
  return { identity, last }
}
