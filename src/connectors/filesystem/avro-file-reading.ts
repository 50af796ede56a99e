import { MillraceError, messageOf } from '../../common/errors.ts'
import {
  type AvroBlock,
  type AvroContainerHeader,
  readBlock,
  readHeader,
  unpackBlock,
} from '../../formats/avro-container-reading.ts'
import { copyOfBytes, cursor } from '../../formats/avro-primitives.ts'
import type { AvroRead } from '../../formats/avro-resolution.ts'
import { ByteWindow, type FileWaker } from './file-bytes.ts'
import type { FileReading, FileRecords } from './file-reading.ts'
import type { FilePosition, FileSplit } from './file-split.ts'
import { namingFile } from './naming-file.ts'

interface OpenBlock {
  readonly records: Buffer
  readonly count: number
  /** Of the block that follows. */
  readonly nextOffset: number
}

/** Reads an Avro object container file: its position is a block and how many of its records were emitted. */
export class AvroFileReading<T> implements FileReading<T> {
  readonly #split: FileSplit
  readonly #readerOf: (schemaText: string) => AvroRead
  readonly #waker: FileWaker
  #window: ByteWindow
  #header: AvroContainerHeader | undefined
  #read: AvroRead | undefined
  #block: OpenBlock | undefined
  #offset: number
  #index: number
  #at = 0
  #recordStart = 0
  #done = false

  constructor(split: FileSplit, readerOf: (schemaText: string) => AvroRead, waker: FileWaker) {
    this.#split = split
    this.#readerOf = readerOf
    this.#waker = waker
    this.#offset = split.position.offset
    this.#index = split.position.index
    this.#window = new ByteWindow(split.path, 0, waker)
  }

  get position(): FilePosition {
    return { offset: this.#offset, index: this.#index, done: this.#done }
  }

  get place(): string {
    return `file ${this.#split.path}, record ${this.#index} of the block at byte ${this.#offset}`
  }

  recordBytes(): Uint8Array | null {
    return this.#block === undefined ? null : copyOfBytes(this.#block.records, this.#recordStart, this.#at)
  }

  read(records: FileRecords<T>, maxRecords: number): 'records' | 'waiting' | 'ended' {
    for (let emitted = 0; emitted < maxRecords; ) {
      const block = this.#block
      if (block === undefined) {
        const opened = this.#open()
        if (opened === 'opened') continue
        return opened === 'waiting' && emitted > 0 ? 'records' : opened
      }
      for (; emitted < maxRecords && this.#index < block.count; emitted++) {
        const value = this.#next(block) as T
        this.#index++
        records.collect(value)
      }
      if (this.#index === block.count) this.#leave(block)
    }
    return 'records'
  }

  close(): void {
    this.#window.close()
  }

  #leave(block: OpenBlock): void {
    if (this.#at !== block.records.length) {
      throw this.#damaged(`${block.records.length - this.#at} bytes are left after its records`)
    }
    this.#offset = block.nextOffset
    this.#index = 0
    this.#block = undefined
  }

  /** Reads the header, or a block. */
  #open(): 'opened' | 'waiting' | 'ended' {
    for (;;) {
      const opened = this.#header === undefined ? this.#openHeader() : this.#openBlock(this.#header)
      if (opened) return 'opened'
      if (this.#window.grow()) continue
      if (!this.#window.ended) return 'waiting'
      if (this.#window.length > 0 || this.#header === undefined) throw this.#damaged('it ends in the middle')
      this.#done = true
      return 'ended'
    }
  }

  #openHeader(): boolean {
    const { path, position } = this.#split
    const header = this.#checked(() => readHeader(this.#window.bytes))
    if (header === undefined) return false
    this.#header = header
    this.#read = namingFile(path, () => this.#readerOf(header.schemaText))
    if (position.offset === 0) {
      this.#window.at = header.length
      this.#offset = header.length
    } else {
      this.#window.close()
      this.#window = new ByteWindow(path, position.offset, this.#waker)
    }
    return true
  }

  #openBlock(header: AvroContainerHeader): boolean {
    const window = this.#window
    const block = this.#checked((): AvroBlock | undefined => readBlock(window.bytes, window.at, header))
    if (block === undefined) return false
    const records = this.#checked(() => unpackBlock(block, header))
    window.at = block.end
    this.#at = 0
    const opened = { records, count: block.count, nextOffset: window.offset }
    this.#block = opened
    this.#passEmitted(opened)
    return true
  }

  /** After a restore: the records that were emitted before. */
  #passEmitted(block: OpenBlock): void {
    if (this.#index > block.count) throw this.#damaged(`it has ${block.count} records, but ${this.#index} were read`)
    for (let index = 0; index < this.#index; index++) this.#next(block)
  }

  /** Where one can not be decoded, the next one can not be found either: no dead letter makes up for it. */
  #next({ records }: OpenBlock): unknown {
    this.#recordStart = this.#at
    const value = this.#checked(() => (this.#read as AvroRead)(records, this.#at, records.length))
    this.#at = cursor.position
    return value
  }

  #checked<V>(action: () => V): V {
    try {
      return action()
    } catch (error) {
      throw this.#damaged(messageOf(error), error)
    }
  }

  #damaged(why: string, cause?: unknown): MillraceError {
    return new MillraceError('MR_SOURCE_FILE', `${this.place}: ${why}`, { cause })
  }
}
