import type { DataStream } from './data-stream.ts'

/** The type of a stream's records. */
export type RecordOf<Stream> = Stream extends DataStream<infer T> ? T : never
