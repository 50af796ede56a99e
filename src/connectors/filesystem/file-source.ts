import { resolve } from 'node:path'
import type { Source, SourceDescription, SourceReader, SourceReaderContext } from '../../api/source.ts'
import { type Duration, durationMs } from '../../common/duration.ts'
import { MillraceError } from '../../common/errors.ts'
import type { DataType } from '../../formats/data-type.ts'
import { fileDescription } from './file-enumerator.ts'
import { FileReader } from './file-reader.ts'
import type { ReadableFileFormat } from './file-reading.ts'

/** Options of a `FileSource`. */
export interface FileSourceOptions<T> {
  /**
   * Files, and folders with all that is below them but what begins with `.` or `_`. What ends in `.gz` is unpacked. Relative
   * ones are below the working folder.
   */
  readonly paths: string | readonly string[]
  /** `jsonLines()`, `csvLines(…)`, `avroFiles(…)` or `textLines()`. */
  readonly format: ReadableFileFormat<T>
  /** Looks for new files this often, and the source never ends: Flink's `monitorContinuously`. Default: it reads what is there. */
  readonly discoveryInterval?: Duration
  /** Files of JSON or text lines that have more bytes are read in ranges, by several subtasks; default 64 MiB. */
  readonly maxSplitSize?: number
}

/**
 * Reads files: Flink's FileSource. How far each is read is part of every checkpoint, to the line or record, so that a restart
 * goes on inside of a file. Files are complete when they are found (move them into the folder), and do not change.
 *
 * A line that can not be decoded fails the job with file and line (MR_DESERIALIZATION), unless the source has a dead-letter
 * output. A file that is gone, has changed or is damaged: MR_SOURCE_FILE. Records have no timestamps of their own.
 *
 * @example
 * ```ts
 * import { job, WatermarkStrategy } from 'millrace'
 * import { csvLines, FileSource } from 'millrace/filesystem'
 * import { csv, int32, record, string } from 'millrace/formats'
 *
 * export default job('stock', (env) => {
 *   const files = FileSource.of({ paths: 'stock', format: csvLines(csv(record({ sku: string(), count: int32() }))) })
 *   env.fromSource(files, WatermarkStrategy.noWatermarks(), 'stock').print()
 * })
 * ```
 */
export class FileSource<T> implements Source<T> {
  readonly boundedness: 'bounded' | 'continuous'
  readonly description: SourceDescription
  readonly type: DataType<T>
  readonly #format: ReadableFileFormat<T>

  private constructor(format: ReadableFileFormat<T>, description: SourceDescription, isContinuous: boolean) {
    this.#format = format
    this.description = description
    this.boundedness = isContinuous ? 'continuous' : 'bounded'
    this.type = format.type
  }

  /** @throws MillraceError MR_CONFIGURATION naming the option */
  static of<T>(options: FileSourceOptions<T>): FileSource<T> {
    const { format, discoveryInterval, maxSplitSize = 64 << 20 } = options
    const paths = typeof options.paths === 'string' ? [options.paths] : options.paths
    if (paths.length === 0 || paths.includes('')) throw wrong('paths: name at least one file or folder')
    if (typeof format?.openFile !== 'function') throw wrong('format: this one can not be read')
    if (!(Number.isSafeInteger(maxSplitSize) && maxSplitSize > 0))
      throw wrong(`maxSplitSize: ${maxSplitSize} is no size`)
    const discoveryIntervalMs =
      discoveryInterval === undefined ? null : durationMs(discoveryInterval, 'FileSource: discoveryInterval')
    if (discoveryIntervalMs === 0) throw wrong('discoveryInterval: must be more than 0')
    const description = fileDescription({
      paths: paths.map((path) => resolve(path)),
      maxSplitBytes: format.splittable ? maxSplitSize : null,
      discoveryIntervalMs,
    })
    return new FileSource(format, description, discoveryIntervalMs !== null)
  }

  createReader(context: SourceReaderContext): SourceReader<T> {
    return new FileReader(this.#format, { wake: () => context.wake(), fail: (error) => context.fail(error) })
  }
}

function wrong(why: string): MillraceError {
  return new MillraceError('MR_CONFIGURATION', `FileSource: ${why}`)
}
