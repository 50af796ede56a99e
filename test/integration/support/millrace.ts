import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const binary = fileURLToPath(new URL('../../../bin/millrace.js', import.meta.url))

export interface CommandResult {
  /** null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** A `millrace` command of the build in dist, as a user starts it. */
export interface RunningCommand {
  readonly child: ChildProcess
  readonly result: Promise<CommandResult>
  /** What it has printed on standard error so far. */
  stderr(): string
  stdout(): string
  /** The working process below the supervisor, once there is one. */
  workingProcess(): number | undefined
}

export interface CommandOptions {
  readonly cwd: string
  readonly environment?: Readonly<Record<string, string>>
  /** A process group of its own, as a shell gives to each command: what Ctrl-C reaches is the group. */
  readonly ownGroup?: boolean
}

export function startMillrace(args: readonly string[], options: CommandOptions): RunningCommand {
  const child = spawn(process.execPath, [binary, ...args], {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup === true,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const startedMs = performance.now()
  const result = new Promise<CommandResult>((settle) => {
    const end = (code: number | null) =>
      settle({ code, stdout, stderr, seconds: (performance.now() - startedMs) / 1000 })
    child.on('close', end)
    // A working process that outlives its killed supervisor keeps the pipes open: take what is there.
    child.on('exit', (code) => setTimeout(end, 2000, code).unref())
  })
  return {
    child,
    result,
    stderr: () => stderr,
    stdout: () => stdout,
    workingProcess: () => (child.pid === undefined ? undefined : childrenOf(child.pid).find(isWorkingProcess)),
  }
}

/** Runs a command to its end. */
export function millrace(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return startMillrace(args, options).result
}

export function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(/\s+/).map(Number)
  } catch {
    return [] // the process has just ended
  }
}

/** The bundler is a child of the command too, before. */
function isWorkingProcess(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('working-process')
  } catch {
    return false
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Ends a process at once; one that is gone already is fine. */
export function killNow(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in between.
  }
}

/** Waits until the condition gives something, with a limit. */
export async function until<T>(what: string, condition: () => T | undefined | false, limitMs = 30_000): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const found = condition()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`)
    await new Promise((settle) => setTimeout(settle, 10))
  }
}

/** The records of all published parts of a file sink. */
export function publishedRecords<T>(folder: string): T[] {
  const records: T[] = []
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.')) continue
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      if (line !== '') records.push(JSON.parse(line) as T)
    }
  }
  return records
}
