import { resolve } from 'node:path'
import type { DeliveryGuarantee, Sink, SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError } from '../../common/errors.ts'
import type { BucketAssigner } from './bucket.ts'
import { type FileFormat, jsonLines, textLines } from './file-format.ts'
import { FileSinkWriter } from './file-sink-writer.ts'

/** Options of a `FileSink`. */
export interface FileSinkOptions<T> {
  /** Folder of the parts; made where it does not exist. */
  readonly folder: string
  /** How records become bytes: `jsonLines()` (default), `csvLines(…)`, `avroFiles(…)`, `textLines(…)`. */
  readonly format?: FileFormat<T>
  /** Short for `format: textLines(encode)`: the text of one record, without its line end. */
  readonly encode?: (value: T) => string
  /** The folder of a record below `folder`, such as `bucketByTime('yyyy-MM-dd')`; default: `folder` itself. */
  readonly bucket?: BucketAssigner<T>
  /** Parts roll at each checkpoint, and also when they have this many characters or bytes; default 128 MiB. */
  readonly maxPartSize?: number
  /** … or when a record comes this long after they were begun; default: no limit. */
  readonly rolloverInterval?: Duration
  /**
   * Removes pending (hidden) parts of this sink that earlier attempts have left and nobody has changed for so long, once this
   * attempt has committed its first checkpoint. Default: they stay. Choose more than the time in which a savepoint that
   * lists them may still be restored.
   */
  readonly removePendingAfter?: Duration
  /** Start of each part's name, default `part`. */
  readonly prefix?: string
  /** End of each part's name, default that of the format, such as `.jsonl`. */
  readonly suffix?: string
}

/**
 * Writes files of JSON lines, CSV, Avro or any text, exactly once: a part is pending (a hidden file) until its checkpoint completes, then it is
 * renamed to its final name (R21). A reader that takes only files that do not start with `.` sees each result once.
 * Parts roll at each checkpoint, by size and by time; a final name holds prefix, sink, subtask, attempt and checkpoint, so
 * several sinks may share a folder.
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
    const { encode, format, maxPartSize = 1, rolloverInterval, removePendingAfter } = options
    if (encode !== undefined && format !== undefined) {
      throw new MillraceError('MR_JOB_DEFINITION', 'FileSink: give either format or encode')
    }
    if (!(maxPartSize > 0))
      throw new MillraceError('MR_JOB_DEFINITION', `FileSink: maxPartSize ${maxPartSize} is no size`)
    optionalMs(rolloverInterval, 'rolloverInterval')
    optionalMs(removePendingAfter, 'removePendingAfter')
    return new FileSink(options)
  }

  createWriter(context: SinkWriterContext): SinkWriter<T> {
    const { folder, encode, prefix = 'part', bucket, maxPartSize = 128 << 20, ...options } = this.#options
    const format = options.format ?? (encode === undefined ? jsonLines<T>() : textLines(encode, '.jsonl'))
    const { rolloverInterval, removePendingAfter, suffix = format.suffix } = options
    return new FileSinkWriter<T>({
      folder: resolve(folder),
      format,
      bucket,
      prefix,
      suffix,
      maxPartSize,
      rolloverIntervalMs: optionalMs(rolloverInterval, 'rolloverInterval') ?? Number.POSITIVE_INFINITY,
      abandonedAfterMs: optionalMs(removePendingAfter, 'removePendingAfter'),
      context,
    })
  }
}

function optionalMs(duration: Duration | undefined, option: string): number | undefined {
  return duration === undefined ? undefined : durationMs(duration, `FileSink: ${option}`)
}
