import { MillraceError } from '../../common/errors.ts'

/** The folder of a record below the sink's: names with `/` between them; the empty text is the sink's folder itself. */
export type BucketAssigner<T> = (value: T, timestamp: number) => string

const patternParts: Readonly<Record<string, (date: Date) => string>> = {
  yyyy: (date) => String(date.getUTCFullYear()).padStart(4, '0'),
  MM: (date) => twoDigits(date.getUTCMonth() + 1),
  dd: (date) => twoDigits(date.getUTCDate()),
  HH: (date) => twoDigits(date.getUTCHours()),
  mm: (date) => twoDigits(date.getUTCMinutes()),
}

/**
 * A folder for each day, hour or minute of the records' event time, in UTC.
 * @param pattern `yyyy`, `MM`, `dd`, `HH` and `mm` stand for the parts of the time, anything else for itself: Flink's
 *   `yyyy-MM-dd--HH` is the default; `'dt='yyyy-MM-dd` has text in single quotes
 * @throws (from the sink) MillraceError MR_SINK for a record without a timestamp
 */
export function bucketByTime<T>(pattern = 'yyyy-MM-dd--HH'): BucketAssigner<T> {
  const parts = pattern.match(/'[^']*'|yyyy|MM|dd|HH|mm|[^y'MdHm]+|./g) ?? []
  return (_value, timestamp) => {
    const date = new Date(timestamp)
    if (Number.isNaN(date.getTime())) {
      throw new MillraceError('MR_SINK_RECORD', 'FileSink: a record without a timestamp has no bucket of time')
    }
    return parts.map((part) => patternParts[part]?.(date) ?? part.replaceAll("'", '')).join('')
  }
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

/** @throws MillraceError MR_SINK where the bucket would lie outside of the folder, or be hidden */
export function checkBucket(bucket: unknown): string {
  const isPlain =
    typeof bucket === 'string' &&
    (bucket === '' || bucket.split('/').every((name) => name !== '' && !name.startsWith('.') && !/[\\\0]/.test(name)))
  if (isPlain) return bucket
  throw new MillraceError(
    'MR_SINK',
    `FileSink: bucket ${JSON.stringify(bucket)} must be visible folders below the sink's`,
  )
}
