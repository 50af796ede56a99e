import { readdirSync, readlinkSync } from 'node:fs'
import { isAlive, killNow, type RunningCommand, startMillrace, until } from './millrace.ts'

/** FULL_DRILL=1 runs drills at full size. */
export const fullDrill = process.env['FULL_DRILL'] === '1'

/** A seeded generator (mulberry32): the seed is told with each failure, so that it can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** DRILL_SEED repeats a drill. */
export const drillSeed = Number(process.env['DRILL_SEED'] ?? Date.now() % 1_000_000)

export function pause(milliseconds: number): Promise<void> {
  return new Promise((settle) => setTimeout(settle, milliseconds))
}

/** What may happen to a run. `restarts`: a new run is started afterwards, by whoever started the first. */
export const blows = {
  killWorker: { restarts: false },
  killSupervisor: { restarts: true },
  killBoth: { restarts: true },
  /** Kills the working process twice, the second time while it restores. */
  killRestoring: { restarts: false },
  /** SIGSTOP, SIGCONT. */
  pauseWorker: { restarts: false },
  /** Ctrl-C: ends after a last checkpoint. */
  interrupt: { restarts: true },
  /** Ctrl-C, and the working process is killed while it writes its last checkpoint. */
  interruptAndKillWorker: { restarts: true },
  interruptAndKillBoth: { restarts: true },
} as const

export type Blow = keyof typeof blows

export interface DrillOptions {
  readonly folder: string
  readonly seed: number
  readonly blows: readonly Blow[]
  /** Parallelism of the runs, in turn. */
  readonly parallelism: readonly number[]
  /** Between two blows, milliseconds. */
  readonly pauseMs: readonly [number, number]
  argumentsOf(parallelism: number): readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface DrillResult {
  readonly code: number | null
  readonly stdout: string
  /** Standard error of all runs. */
  readonly stderr: string
  readonly runs: number
  /** How many of the blows fell before the job had finished. */
  readonly fallen: number
}

/** Runs a job to its end though it is hit by one blow after another. */
export class Drill {
  readonly #options: DrillOptions
  readonly #random: () => number
  #running: RunningCommand
  #runs = 0
  #stderr = ''

  constructor(options: DrillOptions) {
    this.#options = options
    this.#random = seeded(options.seed)
    this.#running = this.#start()
  }

  async run(): Promise<DrillResult> {
    const [least, most] = this.#options.pauseMs
    let fallen = 0
    for (const blow of this.#options.blows) {
      await pause(least + this.#random() * (most - least))
      if (this.#running.child.exitCode !== null) break
      const worker = this.#running.workingProcess()
      await this.#strike(blow)
      fallen++
      if (!blows[blow].restarts) continue
      const { code } = await this.#running.result
      if (worker !== undefined) await until('the end of the working process', () => !isAlive(worker), 15_000)
      // Finished before it could be interrupted.
      if (code === 0 && !this.#running.stderr().includes('stopping')) break
      if (code !== 0 && code !== null) break
      this.#stderr += this.#running.stderr()
      this.#running = this.#start()
    }
    const { code, stdout, stderr } = await this.#running.result
    return { code, stdout, stderr: this.#stderr + stderr, runs: this.#runs, fallen }
  }

  #start(): RunningCommand {
    const { parallelism, folder, environment } = this.#options
    const now = parallelism[this.#runs % parallelism.length] ?? 1
    this.#runs++
    return startMillrace(this.#options.argumentsOf(now), { cwd: folder, environment })
  }

  async #strike(blow: Blow): Promise<void> {
    const { child } = this.#running
    const worker = () => this.#running.workingProcess()
    switch (blow) {
      case 'killWorker':
        killNow(worker())
        return
      case 'killSupervisor':
        child.kill('SIGKILL')
        return
      case 'killBoth': {
        const process = worker()
        child.kill('SIGKILL')
        killNow(process)
        return
      }
      case 'killRestoring': {
        const first = worker()
        killNow(first)
        const second = await until('another working process', () => {
          if (child.exitCode !== null) return first ?? -1
          const process = worker()
          return process !== first && process
        })
        await pause(this.#random() * 1200)
        killNow(second === -1 ? undefined : second)
        return
      }
      case 'pauseWorker': {
        const process = worker()
        if (process === undefined) return
        signal(process, 'SIGSTOP')
        await pause(this.#random() * 2000)
        signal(process, 'SIGCONT')
        return
      }
      case 'interrupt':
        child.kill('SIGINT')
        return
      case 'interruptAndKillWorker':
        child.kill('SIGINT')
        await pause(this.#random() * 120)
        killNow(worker())
        return
      case 'interruptAndKillBoth': {
        child.kill('SIGINT')
        await pause(this.#random() * 120)
        const process = worker()
        child.kill('SIGKILL')
        killNow(process)
        return
      }
      default: {
        const never: never = blow
        throw new TypeError(`unknown blow ${String(never)}`)
      }
    }
  }
}

function signal(process_: number, name: NodeJS.Signals): void {
  try {
    process.kill(process_, name)
  } catch {
    // It has just ended.
  }
}

/** Processes that still run in a folder. */
export function processesIn(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((process_) => {
      try {
        return readlinkSync(`/proc/${process_}/cwd`) === folder
      } catch {
        return false // it has just ended
      }
    })
}
