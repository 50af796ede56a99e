import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect } from 'vitest'

export interface CandidateEvent {
  readonly type: 'started' | 'leading' | 'standby' | 'idle' | 'written' | 'refused' | 'resigned'
  readonly atMs: number
  readonly token?: string
  readonly epoch?: number
  readonly losses?: number
  readonly valid?: boolean
  readonly reason?: string
}

export interface CandidateOptions {
  readonly control: string
  readonly locks: readonly string[]
  readonly leaseMs: number
}

/** A process of support/candidate.ts. */
export class Candidate {
  readonly events: CandidateEvent[] = []
  readonly #process: ChildProcess

  private constructor(options: CandidateOptions) {
    const entry = new URL('./candidate.ts', import.meta.url).pathname
    const parameters = ['--conditions=millrace-source', entry, JSON.stringify(options)]
    this.#process = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#process.stdout === null) throw new Error('no output')
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.events.push(JSON.parse(line)))
  }

  static async start(options: CandidateOptions): Promise<Candidate> {
    const candidate = new Candidate(options)
    await candidate.until('started')
    return candidate
  }

  get leads(): boolean {
    return this.events.findLast(({ type }) => type === 'leading' || type === 'standby')?.type === 'leading'
  }

  /** The first such event at or after this place in `events`. */
  async until(type: CandidateEvent['type'], from = 0): Promise<CandidateEvent> {
    const find = () => this.events.slice(from).find((event) => event.type === type)
    await expect.poll(find, { timeout: 20_000, interval: 5 }).toBeDefined()
    return find() as CandidateEvent
  }

  command(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}
