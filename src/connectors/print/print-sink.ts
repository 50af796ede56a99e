import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../api/sink.ts'

/** Where lines go; the process's standard output unless a test hands in its own. */
export type LineWriter = (line: string) => void

/**
 * Prints each record on standard output, for looking at a stream while writing a job: Flink's `print()`. With more than
 * one subtask a line starts with the subtask's number, counted from 1. Replays print again.
 */
export class PrintSink<T> implements Sink<T> {
  readonly connector = 'print'
  readonly deliveryGuarantee: DeliveryGuarantee = 'none'
  readonly #prefix: string
  readonly #writeLine: LineWriter

  constructor(prefix = '', writeLine: LineWriter = (line) => void process.stdout.write(`${line}\n`)) {
    this.#prefix = prefix
    this.#writeLine = writeLine
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const subtask = context.parallelism > 1 ? `${context.subtaskIndex + 1}> ` : ''
    const start = this.#prefix === '' ? subtask : `${this.#prefix}:${subtask || '> '}`
    const writeLine = this.#writeLine
    return {
      writable: true,
      write: (value) => writeLine(start + (typeof value === 'string' ? value : JSON.stringify(value, withBigints))),
      prepareCommit: async () => [],
      commit: async () => {},
      close: async () => {},
    }
  }
}

/** JSON has no bigint: print its digits as text instead of failing. */
function withBigints(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
