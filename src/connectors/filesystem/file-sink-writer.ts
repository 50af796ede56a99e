import { join } from 'node:path'
import type { Committable, SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import { murmur3 } from '../../common/murmur3.ts'
import { type BucketAssigner, checkBucket } from './bucket.ts'
import type { FileFormat, PartEncoder } from './file-format.ts'
import {
  makeDurableFolder,
  PartFile,
  pendingPart,
  pendingSuffix,
  publish,
  removeAbandonedParts,
  synchronizeFolder,
} from './part-files.ts'

interface WriterOptions<T> {
  readonly folder: string
  readonly format: FileFormat<T>
  readonly bucket: BucketAssigner<T> | undefined
  readonly prefix: string
  readonly suffix: string
  /** A part is complete when it has this many characters or bytes, or is this old. */
  readonly maxPartSize: number
  readonly rolloverIntervalMs: number
  /** Pending parts of other attempts are removed when they are this old; undefined: never. */
  readonly abandonedAfterMs: number | undefined
  readonly context: SinkWriterContext
}

/** What is being written of one bucket. */
interface OpenPart<T> {
  readonly bucket: string
  readonly encoder: PartEncoder<T>
  readonly file: PartFile
  readonly openedAtMs: number
  /** Characters or bytes that were handed to the file. */
  size: number
  records: number
}

interface SealedPart {
  readonly bucket: string
  readonly file: PartFile
  readonly sealed: Promise<void>
}

/** What is encoded is handed to the file system in pieces of this many characters or bytes. */
const pieceLength = 256 * 1024
/** The task is not scheduled while more than this many wait to be written. */
const bufferedLimit = 8 * 1024 * 1024

/** Writes the parts of one subtask. File operations run one after another behind the task's loop. */
export class FileSinkWriter<T> implements SinkWriter<T> {
  readonly #options: WriterOptions<T>
  /** Start of the names of all parts of this sink, and of those of this attempt: no other sink or attempt has it (R21). */
  readonly #sinkName: string
  readonly #name: string
  readonly #open = new Map<string, OpenPart<T>>()
  /** Complete, in order; they wait for the next barrier. */
  #sealed: SealedPart[] = []
  readonly #folders = new Map<string, Promise<void>>()
  /** Characters or bytes handed to the file system and not written yet. */
  #inFlight = 0
  #blocked = false
  #parts = 0
  #failed: unknown
  #discarded: Promise<unknown> = Promise.resolve()
  #mayClean: boolean

  constructor(options: WriterOptions<T>) {
    const { prefix, context } = options
    this.#options = options
    this.#sinkName = `${prefix}-${sinkMark(context.operatorUid)}`
    this.#name = `${this.#sinkName}-${context.subtaskIndex}-${context.attemptId}`
    this.#mayClean = options.abandonedAfterMs !== undefined && context.subtaskIndex === 0
    this.#folderOf('').catch(() => undefined)
  }

  get writable(): boolean {
    return !this.#blocked
  }

  write(value: T, timestamp: number): void {
    const { bucket: bucketOf, maxPartSize } = this.#options
    const bucket = bucketOf === undefined ? '' : checkBucket(bucketOf(value, timestamp))
    const part = this.#partOf(bucket)
    part.encoder.write(value)
    part.records++
    const { pendingLength } = part.encoder
    if (part.size + pendingLength >= maxPartSize) this.#seal(part)
    else if (pendingLength >= pieceLength) this.#handOver(part)
  }

  async prepareCommit(checkpointId: number): Promise<readonly Committable[]> {
    for (const part of [...this.#open.values()]) this.#seal(part)
    const parts = this.#sealed
    this.#sealed = []
    await Promise.all(parts.map(({ sealed }) => sealed))
    if (this.#failed !== undefined) throw this.#failed
    await synchronizeAll(parts.map(({ file }) => file.folder))
    const numbers = new Map<string, number>()
    return parts.map(({ bucket, file }) => {
      const number = numbers.get(bucket) ?? 0
      numbers.set(bucket, number + 1)
      const final = `${this.#name}-${checkpointId}${number === 0 ? '' : `-${number}`}${this.#options.suffix}`
      return { folder: file.folder, pending: file.name, final }
    })
  }

  async commit(committables: readonly Committable[]): Promise<void> {
    const parts = committables.map(pendingPart)
    for (const part of parts) await publish(part)
    await synchronizeAll(parts.map(({ folder }) => folder))
    // What this attempt has prepared is committed, and before it what it was restored with: older pending parts are of
    // attempts that no checkpoint lists any more.
    if (this.#mayClean && parts.some(({ final }) => final.startsWith(`${this.#name}-`))) await this.#clean()
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.all([...open, ...this.#sealed.splice(0)].map(({ file }) => file.discard()))
    await Promise.allSettled([this.#discarded, ...this.#folders.values()])
  }

  #partOf(bucket: string): OpenPart<T> {
    const { rolloverIntervalMs, format, context } = this.#options
    const open = this.#open.get(bucket)
    if (open !== undefined) {
      if (context.clock.monotonicMs() - open.openedAtMs < rolloverIntervalMs) return open
      this.#seal(open)
    }
    const name = `.${this.#name}.${this.#parts++}${pendingSuffix}`
    const part: OpenPart<T> = {
      bucket,
      encoder: format.createPart(),
      file: new PartFile(join(this.#options.folder, bucket), name, this.#folderOf(bucket)),
      openedAtMs: context.clock.monotonicMs(),
      size: 0,
      records: 0,
    }
    this.#open.set(bucket, part)
    return part
  }

  #folderOf(bucket: string): Promise<void> {
    const known = this.#folders.get(bucket)
    if (known !== undefined) return known
    const made = makeDurableFolder(join(this.#options.folder, bucket))
    made.catch((error: unknown) => this.#fail(error))
    this.#folders.set(bucket, made)
    return made
  }

  #seal(part: OpenPart<T>): void {
    this.#open.delete(part.bucket)
    if (part.records === 0) {
      // Its only record could not be encoded and became a dead letter.
      this.#discarded = Promise.all([this.#discarded, part.file.discard()])
      return
    }
    part.encoder.end()
    this.#handOver(part)
    const sealed = part.file.seal()
    // Told by `prepareCommit`, or by the failed append before.
    sealed.catch((error: unknown) => this.#fail(error))
    this.#sealed.push({ bucket: part.bucket, file: part.file, sealed })
  }

  #handOver(part: OpenPart<T>): void {
    const content = part.encoder.take()
    const { length } = content
    if (length === 0) return
    part.size += length
    this.#inFlight += length
    this.#blocked = this.#inFlight > bufferedLimit
    part.file.append(content).then(
      () => {
        this.#inFlight -= length
        if (this.#blocked && this.#inFlight <= bufferedLimit / 2) {
          this.#blocked = false
          this.#options.context.wake()
        }
      },
      (error: unknown) => this.#fail(error),
    )
  }

  async #clean(): Promise<void> {
    this.#mayClean = false
    const { folder, abandonedAfterMs = 0, context } = this.#options
    const names = { prefix: this.#sinkName, attemptId: context.attemptId }
    await removeAbandonedParts(folder, names, context.clock.now() - abandonedAfterMs)
  }

  #fail(error: unknown): void {
    if (this.#failed !== undefined) return
    const { folder, context } = this.#options
    this.#failed = new MillraceError('MR_SINK', `FileSink: can not write to ${folder}: ${messageOf(error)}`, {
      cause: error,
      operator: context.operatorName,
    })
    context.fail(this.#failed)
  }
}

/** Tells apart the sinks of one task, which share its attempt and may share a folder. */
function sinkMark(operatorUid: string): string {
  const bytes = Buffer.from(operatorUid, 'utf8')
  return (murmur3(bytes, 0, bytes.length) >>> 0).toString(16).padStart(8, '0')
}

async function synchronizeAll(folders: readonly string[]): Promise<void> {
  for (const folder of new Set(folders)) await synchronizeFolder(folder)
}
