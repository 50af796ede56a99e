import { type ChildProcess, fork } from 'node:child_process'
import { messageOf } from '../common/errors.ts'
import type { Clock, Timer } from '../common/ports.ts'

export interface WorkingProcessOptions<From> {
  /** The module that it runs. */
  readonly entry: URL
  /** libuv's threads serve all slots of the process (R30). */
  readonly threadPoolSize: number
  readonly clock: Clock
  readonly message: (message: From) => void
  /** It has ended, or could not be made. */
  readonly gone: (end: ProcessEnd) => void
}

export type ProcessEnd =
  | { readonly type: 'exit'; readonly code: number }
  | { readonly type: 'signal'; readonly signal: string }
  | { readonly type: 'notStarted'; readonly message: string }

/** A working process, as its supervisor has it. */
export class WorkingProcessHandle<To extends object, From> {
  readonly #child: ChildProcess
  readonly #clock: Clock
  #limit: Timer | undefined

  constructor({ entry, threadPoolSize, clock, message, gone }: WorkingProcessOptions<From>) {
    this.#clock = clock
    this.#child = fork(entry, [], {
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: String(threadPoolSize),
        KAFKAJS_NO_PARTITIONER_WARNING: '1',
      },
      serialization: 'advanced',
      // node:sqlite, which holds the run's lock, warns that it is young.
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
    })
    this.#child.on('message', message)
    this.#child.on('exit', (code, signal) => {
      this.#limit?.cancel()
      gone(signal === null ? { type: 'exit', code: code ?? 0 } : { type: 'signal', signal })
    })
    this.#child.on('error', (error) => gone({ type: 'notStarted', message: messageOf(error) }))
  }

  send(message: To): void {
    // A child that is gone can not be told; its exit event follows and says so.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Ends it if it has not ended by itself in time. */
  endWithin(limitMs: number): void {
    this.#limit ??= this.#clock.schedule(limitMs, () => this.kill())
  }
}

export function endText(end: ProcessEnd): string {
  switch (end.type) {
    case 'exit':
      return `exit code ${end.code}`
    case 'signal':
      return `signal ${end.signal}`
    case 'notStarted':
      return end.message
  }
}
