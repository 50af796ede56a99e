import { resolve } from 'node:path'
import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { MillraceError } from '../../common/errors.ts'
import { FileSinkWriter } from './file-sink-writer.ts'

/** Options of a `FileSink`. */
export interface FileSinkOptions<T> {
  /** Folder of the parts; made where it does not exist. */
  readonly folder: string
  /** Text of one record, without its line end. Default: `JSON.stringify`; what has no JSON fails the job. */
  readonly encode?: (value: T) => string
  /** Start of each part's name, default `part`. */
  readonly prefix?: string
  /** End of each part's name, default `.jsonl`. */
  readonly suffix?: string
}

/**
 * Writes a record a line, exactly once: a part is pending (a hidden file) until its checkpoint completes, then it is
 * renamed to its final name (R21). A reader that takes only files that do not start with `.` sees each result once.
 * Parts roll at each checkpoint; a final name holds prefix, sink, subtask, attempt and checkpoint, so several sinks may
 * share a folder.
 *
 * Without checkpointing a bounded job publishes everything at its end, which `millrace run` warns of; a continuous one is
 * refused. Errors of a running sink: MR_SINK naming the file, MR_TRANSACTION_LOST where a part of a completed checkpoint
 * is gone.
 *
 * @example
 * ```ts
 * import { job } from 'millrace'
 * import { FileSink } from 'millrace/filesystem'
 *
 * export default job('squares', (env) => {
 *   env.fromSequence(1, 100).map((n) => ({ n, square: n * n })).sinkTo(FileSink.of({ folder: 'out' }))
 * })
 * ```
 */
export class FileSink<T> implements Sink<T> {
  readonly connector = 'filesystem'
  readonly deliveryGuarantee: DeliveryGuarantee = 'exactly-once'
  readonly #options: FileSinkOptions<T>

  private constructor(options: FileSinkOptions<T>) {
    this.#options = options
  }

  /** @throws MillraceError MR_JOB_DEFINITION where the folder is empty or a name part holds a path separator */
  static of<T>(options: FileSinkOptions<T>): FileSink<T> {
    if (options.folder === '') throw new MillraceError('MR_JOB_DEFINITION', 'FileSink: folder is empty')
    for (const name of ['prefix', 'suffix'] as const) {
      const text = options[name] ?? ''
      if (/[/\\\0]/.test(text) || (name === 'prefix' && text.startsWith('.'))) {
        throw new MillraceError(
          'MR_JOB_DEFINITION',
          `FileSink: ${name} ${JSON.stringify(text)} must be part of a plain, visible file name`,
        )
      }
    }
    return new FileSink(options)
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const { folder, encode = JSON.stringify, prefix = 'part', suffix = '.jsonl' } = this.#options
    return new FileSinkWriter<T>({
      folder: resolve(folder),
      encode: encode as (value: T) => string,
      prefix,
      suffix,
      context,
    })
  }
}
