/// <reference types="node" preserve="true" />
export { avroFiles } from './avro-files.ts'
export { type BucketAssigner, bucketByTime } from './bucket.ts'
export { csvLines, type FileFormat, jsonLines, type PartEncoder, textLines } from './file-format.ts'
export type { FileReading, FileRecords, ReadableFileFormat } from './file-reading.ts'
export { FileSink, type FileSinkOptions } from './file-sink.ts'
export { FileSource, type FileSourceOptions } from './file-source.ts'
