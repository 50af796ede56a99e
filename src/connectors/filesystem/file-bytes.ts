import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { MillraceError, messageOf } from '../../common/errors.ts'
import { isGzip } from './file-split.ts'

/** What is read ahead of the records that are emitted. */
const readAheadBytes = 256 * 1024

/** Told when bytes may be there, or that they can not be read. */
export interface FileWaker {
  wake(): void
  fail(error: unknown): void
}

/** The bytes of a file from an offset on, unpacked where its name says so; they are read ahead, and taken synchronously. */
export class FileBytes {
  readonly #file: Readable
  /** The file itself, or what it unpacks to. */
  readonly #stream: Readable
  /** Bytes before the offset that can only be unpacked and passed over. */
  #skip: number
  #ended = false
  #closed = false

  constructor(path: string, offset: number, waker: FileWaker) {
    const packed = isGzip(path)
    this.#skip = packed ? offset : 0
    const file = createReadStream(path, { start: packed ? 0 : offset, highWaterMark: readAheadBytes })
    const told = (error: unknown) => {
      if (this.#closed) return
      const text = `FileSource: ${path} can not be read: ${messageOf(error)}`
      waker.fail(new MillraceError('MR_SOURCE_FILE', text, { cause: error }))
    }
    file.on('error', told)
    this.#file = file
    // Not `pipeline`: that is over when all is written, and an end that is missing is only then an error.
    this.#stream = packed ? file.pipe(createGunzip({ chunkSize: readAheadBytes })).on('error', told) : file
    this.#stream.on('readable', () => waker.wake())
    this.#stream.on('end', () => {
      this.#ended = true
      waker.wake()
    })
  }

  /** What has been read; undefined where nothing is here now: at the end, or before `wake`. */
  take(): Buffer | undefined {
    for (;;) {
      const bytes = this.#stream.read() as Buffer | null
      if (bytes === null) return undefined
      if (bytes.length > this.#skip) {
        const rest = bytes.subarray(this.#skip)
        this.#skip = 0
        return rest
      }
      this.#skip -= bytes.length
    }
  }

  get ended(): boolean {
    return this.#ended
  }

  close(): void {
    this.#closed = true
    this.#file.destroy()
    this.#stream.destroy()
  }
}

/** A window over the bytes of a file: what was appended and not yet passed. */
export class ByteWindow {
  readonly #source: FileBytes
  bytes: Buffer = Buffer.alloc(0)
  /** Of the next byte that is not passed. */
  at = 0
  /** Offset in the file of `bytes[0]`. */
  #base: number

  constructor(path: string, offset: number, waker: FileWaker) {
    this.#base = offset
    this.#source = new FileBytes(path, offset, waker)
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#base + this.at
  }

  get length(): number {
    return this.bytes.length - this.at
  }

  /** Nothing follows what is here. */
  get ended(): boolean {
    return this.#source.ended
  }

  /** Takes what has been read; false where that is nothing. Earlier `bytes` are not valid any more. */
  grow(): boolean {
    const more = this.#source.take()
    if (more === undefined) return false
    this.#base += this.at
    this.bytes = this.at === this.bytes.length ? more : Buffer.concat([this.bytes.subarray(this.at), more])
    this.at = 0
    return true
  }

  close(): void {
    this.#source.close()
  }
}
