import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RecordColumns, Sink, SinkWriter, Source, SourceReader } from 'millrace'
import type { Decoder, Format } from 'millrace/formats'
import { startProfile } from './profile.ts'

/** What one slot saw, written when its sink closes; bench/run.ts adds the slots up. Times are of the system-wide monotonic clock. */
export interface SlotFigures {
  readonly firstMs: number
  readonly lastMs: number
  readonly firstCpuMs: number
  readonly lastCpuMs: number
  readonly count: number
  readonly sums: readonly [number, number]
  /** How far reading was, from time to time. */
  readonly progress: readonly Progress[]
}

export interface Progress extends Moment {
  /** Records of the slot's partitions that were still to be read. */
  readonly remaining: number
}

export interface Moment {
  readonly atMs: number
  readonly cpuMs: number
}

export function moment(): Moment {
  const { user, system } = process.cpuUsage()
  return { atMs: Number(process.hrtime.bigint()) / 1e6, cpuMs: (user + system) / 1000 }
}

/** Of this slot: the first record that reached a decoder. */
let first: Moment | undefined

export function firstMoment(): Moment | undefined {
  return first
}

const progressIntervalMs = 25
const progressSamples: Progress[] = []

/** Of this slot. */
export function progress(): readonly Progress[] {
  return progressSamples
}

/** The same source; a timer notes how far its reader is, so that it costs nothing for a record. */
export function tracked<S extends Source<unknown>>(source: S): S {
  const createReader = source.createReader.bind(source)
  return Object.assign(source, {
    createReader(context: Parameters<S['createReader']>[0]) {
      const reader: SourceReader<unknown> = createReader(context)
      const timer = setInterval(() => {
        const remaining = reader.lag?.() ?? Number.NaN
        progressSamples.push({ ...moment(), remaining })
      }, progressIntervalMs)
      timer.unref()
      return reader
    },
  })
}

/**
 * Notes the moment of the first record and then steps aside, so that it costs nothing per record. It stays the same
 * format, whose values may be scanned: the first ones are decoded, until the scan has learned how they are written.
 */
export function noted<T>(format: Format<T>): Format<T> {
  const createDecoder = format.createDecoder.bind(format)
  // Formats of one value are shared and frozen: theirs is one of its own that inherits the rest.
  const noting: Format<T> = Object.isFrozen(format) ? Object.create(format) : format
  return Object.assign(noting, {
    createDecoder() {
      const decoder = createDecoder()
      noteFirst(decoder, 'decode')
      noteFirst(decoder, 'decodeView')
      return decoder
    },
  })
}

/** Puts a method before the decoder's own that notes the moment and takes itself away. */
function noteFirst<T>(decoder: Decoder<T>, method: 'decode' | 'decodeView'): void {
  const decode = decoder[method]?.bind(decoder)
  if (decode === undefined) return
  decoder[method] = (bytes, start, end) => {
    first ??= moment()
    decoder[method] = decode
    return decode(bytes, start, end)
  }
}

/** Adds up two numbers of each record. */
export function summingSink<T>(folder: string, firstOf: (value: T) => number, secondOf: (value: T) => number): Sink<T> {
  return {
    connector: 'sums',
    deliveryGuarantee: 'none',
    createWriter(context) {
      let count = 0
      let sumA = 0
      let sumB = 0
      let last: Moment | undefined
      const profile = startProfile()
      const writer: SinkWriter<T> & AddingWriter = {
        writable: true,
        write(value) {
          count++
          sumA += firstOf(value)
          sumB += secondOf(value)
        },
        addSums(records: number, a: number, b: number) {
          count += records
          sumA += a
          sumB += b
        },
        // Called at each barrier and at the end of the input: the last call before `close` has seen the last record.
        async prepareCommit() {
          last = moment()
          return []
        },
        async commit() {},
        async close() {
          await (await profile)()
          const end = last ?? moment()
          const begin = first ?? end
          const figures: SlotFigures = {
            firstMs: begin.atMs,
            firstCpuMs: begin.cpuMs,
            lastMs: end.atMs,
            lastCpuMs: end.cpuMs,
            count,
            sums: [sumA, sumB],
            progress: progress(),
          }
          writeFileSync(join(folder, `${context.subtaskIndex}-${context.attemptId}.json`), JSON.stringify(figures))
        },
      }
      return writer
    },
  }
}

/**
 * The same of two fields, which come as columns. Where values are scanned no decoder sees the first record: the first
 * batch of results stands for it, which comes some microseconds later.
 */
export function summingColumnsSink<A extends string, B extends string>(
  folder: string,
  fieldA: A,
  fieldB: B,
): Sink<{ readonly [Name in A | B]: number }> {
  const sink = summingSink<{ readonly [Name in A | B]: number }>(
    folder,
    (value) => value[fieldA],
    (value) => value[fieldB],
  )
  return {
    ...sink,
    takesColumns: true,
    createWriter(context) {
      const writer = sink.createWriter(context)
      const add = writer as typeof writer & AddingWriter
      return Object.assign(writer, {
        writeColumns({ count, columns }: RecordColumns) {
          first ??= moment()
          add.addSums(count, sumOf(columns, fieldA, count), sumOf(columns, fieldB, count))
        },
      })
    },
  }
}

interface AddingWriter {
  addSums(count: number, sumA: number, sumB: number): void
}

function sumOf(columns: RecordColumns['columns'], name: string, count: number): number {
  const column = columns.find((candidate) => candidate.name === name)
  if (column === undefined || column.kind === 'string') throw new TypeError(`no numbers under ${name}`)
  const { values } = column
  let sum = 0
  for (let index = 0; index < count; index++) sum += values[index] as number
  return sum
}
