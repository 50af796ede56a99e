import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../api/sink.ts'

/** Where lines go. `written` is called when the text has left this thread. */
export interface TextOutput {
  write(text: string, written: () => void): unknown
}

/** More characters than this wait for a slow reader, and the job waits too. */
const mostWaitingCharacters = 64 * 1024

/**
 * Prints each record on standard output, for looking at a stream while writing a job: Flink's `print()`. With more than
 * one subtask a line starts with the subtask's number, counted from 1. Replays print again.
 */
export class PrintSink<T> implements Sink<T> {
  readonly connector = 'print'
  readonly deliveryGuarantee: DeliveryGuarantee = 'none'
  readonly #prefix: string
  readonly #output: TextOutput

  /** @param output the process's standard output unless a test hands in its own */
  constructor(prefix = '', output: TextOutput = process.stdout) {
    this.#prefix = prefix
    this.#output = output
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const subtask = context.parallelism > 1 ? `${context.subtaskIndex + 1}> ` : ''
    const start = this.#prefix === '' ? subtask : `${this.#prefix}:${subtask || '> '}`
    return new PrintWriter(this.#output, start, context)
  }
}

/** A slot's standard output goes through the main thread: a thread that ended with its last line would lose lines. */
class PrintWriter<T> implements SinkWriter<T> {
  readonly #output: TextOutput
  readonly #lineStart: string
  readonly #context: SinkWriterContext
  #waiting = 0
  #allWritten: (() => void)[] = []

  constructor(output: TextOutput, lineStart: string, context: SinkWriterContext) {
    this.#output = output
    this.#lineStart = lineStart
    this.#context = context
  }

  get writable(): boolean {
    return this.#waiting <= mostWaitingCharacters
  }

  write(value: T): void {
    const text = `${this.#lineStart}${typeof value === 'string' ? value : JSON.stringify(value, withBigints)}\n`
    this.#waiting += text.length
    this.#output.write(text, () => this.#written(text.length))
  }

  async prepareCommit(): Promise<readonly []> {
    if (this.#waiting > 0) await new Promise<void>((resolve) => this.#allWritten.push(resolve))
    return []
  }

  async commit(): Promise<void> {}

  async close(): Promise<void> {}

  #written(characters: number): void {
    const wasWritable = this.writable
    this.#waiting -= characters
    if (!wasWritable && this.writable) this.#context.wake()
    if (this.#waiting > 0) return
    const waiters = this.#allWritten
    this.#allWritten = []
    for (const resolve of waiters) resolve()
  }
}

/** JSON has no bigint: print its digits as text instead of failing. */
function withBigints(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
