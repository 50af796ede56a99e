import type { RecordColumns, Sink, SinkWriter, Source, SourceOutput, SourceReader, ValueRanges } from 'millrace'
import { type Format, json, type RecordType } from 'millrace/formats'
import { scriptedSource } from 'millrace/testing'

/** How a record is written. */
export interface Written {
  readonly style: number
}

/** A record in one of several ways of writing JSON. */
export function jsonText({ style, ...record }: Written & Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(record)
  switch (style % 5) {
    case 1:
      return JSON.stringify({ unknown: [1, { deep: '"}' }], ...record, more: 'x' })
    case 2:
      return ` ${JSON.stringify(Object.fromEntries(entries.toReversed()), null, 1)}\n`
    case 3:
      return JSON.stringify(record).replace(/"[^"]*"/g, (quoted) =>
        quoted.replace(/[a-c]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
      )
    case 4:
      return JSON.stringify(Object.fromEntries(entries.filter(([, value]) => value !== null)))
    default:
      return JSON.stringify(record)
  }
}

type Scripts<T> = Parameters<typeof scriptedSource<T>>[0]

/** A scripted source whose records are JSON in a buffer, as those of Kafka are: they may be scanned where they lie. */
export function jsonSource<T extends Written>(
  scripts: Scripts<T>,
  type: RecordType<Omit<T, 'style'>>,
  options: Parameters<typeof scriptedSource<T>>[1] = {},
): Source<Omit<T, 'style'>> {
  const inner = scriptedSource<T>(scripts, options)
  const valueFormat = json(type) as Format<Omit<T, 'style'>>
  return {
    boundedness: inner.boundedness,
    description: inner.description,
    type,
    valueFormat,
    createReader: (context) => jsonReader(inner.createReader(context), valueFormat),
  }
}

function jsonReader<T, Out>(inner: SourceReader<T>, format: Format<Out>): SourceReader<Out> {
  const decoder = format.createDecoder()
  return {
    addSplits: (splits) => inner.addSplits(splits),
    noMoreSplits: () => inner.noMoreSplits(),
    snapshot: () => inner.snapshot(),
    close: () => inner.close(),
    poll(output, maxRecords) {
      let pending: { readonly text: string; readonly timestamp: number }[] = []
      const emit = (): void => {
        emitTexts(pending, output, (ranges, index) =>
          decoder.decode(ranges.bytes, ranges.valueStarts[index] as number, ranges.valueEnds[index] as number),
        )
        pending = []
      }
      const collecting: SourceOutput<T> = {
        useSplit(splitId) {
          emit()
          output.useSplit(splitId)
        },
        collect: (value, timestamp) => {
          pending.push({ text: jsonText(value as never), timestamp })
        },
        deadLetter: (record) => output.deadLetter(record),
        splitFinished(splitId) {
          emit()
          output.splitFinished(splitId)
        },
      }
      const result = inner.poll(collecting, maxRecords)
      emit()
      return result
    },
  }
}

function emitTexts<Out>(
  records: readonly { readonly text: string; readonly timestamp: number }[],
  output: SourceOutput<Out>,
  decode: (ranges: ValueRanges, index: number) => Out,
): void {
  if (records.length === 0) return
  const parts = records.map(({ text }) => Buffer.from(text))
  const ranges: ValueRanges = {
    bytes: Buffer.concat(parts),
    valueStarts: new Int32Array(records.length),
    valueEnds: new Int32Array(records.length),
    timestamps: Float64Array.from(records, ({ timestamp }) => timestamp),
  }
  let end = 0
  parts.forEach((part, index) => {
    ranges.valueStarts[index] = end
    end += part.length
    ranges.valueEnds[index] = end
  })
  const collect = (index: number): void => output.collect(decode(ranges, index), ranges.timestamps[index] as number)
  if (output.collectValues === undefined) for (let index = 0; index < records.length; index++) collect(index)
  else output.collectValues(ranges, records.length, collect)
}

/** The same sink, which takes columns and makes records of them. */
export function takingColumns<T>(sink: Sink<T>): Sink<T> {
  return {
    connector: sink.connector,
    deliveryGuarantee: sink.deliveryGuarantee,
    takesColumns: true,
    createWriter(context): SinkWriter<T> {
      const writer = sink.createWriter(context)
      return {
        get writable() {
          return writer.writable
        },
        write: (value, timestamp) => writer.write(value, timestamp),
        writeColumns(records) {
          for (let row = 0; row < records.count; row++) {
            writer.write(recordAt(records, row) as T, records.timestamps[row] as number)
          }
        },
        prepareCommit: (checkpointId) => writer.prepareCommit(checkpointId),
        commit: (committables) => writer.commit(committables),
        close: () => writer.close(),
      }
    },
  }
}

function recordAt({ columns }: RecordColumns, row: number): Record<string, unknown> {
  return Object.fromEntries(
    columns.map((column) => {
      if (column.nulls?.[row] === 1) return [column.name, null]
      if (column.kind === 'string')
        return [column.name, column.bytes.toString('utf8', column.starts[row], column.ends[row])]
      const value = column.values[row]
      return [column.name, column.kind === 'boolean' ? value === 1 : value]
    }),
  )
}
