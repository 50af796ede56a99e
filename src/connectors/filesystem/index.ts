/// <reference types="node" preserve="true" />
export { FileSink, type FileSinkOptions } from './file-sink.ts'
