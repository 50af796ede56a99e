import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Committable, SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { JsonValue } from '../../common/json.ts'
import { murmur3 } from '../../common/murmur3.ts'

/** A part that is durable under its hidden name and waits for its checkpoint. */
interface PendingPart {
  readonly folder: string
  readonly pending: string
  readonly final: string
}

interface WriterOptions<T> {
  readonly folder: string
  readonly encode: (value: T) => string
  readonly prefix: string
  readonly suffix: string
  readonly context: SinkWriterContext
}

/** Text is handed to the file system in pieces of this many characters. */
const pieceLength = 256 * 1024
/** The task is not scheduled while more than this many characters wait to be written. */
const bufferedLimit = 8 * 1024 * 1024

/** Writes the parts of one subtask. File operations run one after another behind the task's loop. */
export class FileSinkWriter<T> implements SinkWriter<T> {
  readonly #options: WriterOptions<T>
  /** Start of the names of all parts: no other sink, subtask or attempt has it (R21). */
  readonly #name: string
  #text = ''
  /** Characters handed to the file system and not written yet. */
  #inFlight = 0
  #blocked = false
  #parts = 0
  #part: OpenPart | undefined
  readonly #folderMade: Promise<unknown>
  #failed: unknown

  constructor(options: WriterOptions<T>) {
    const { prefix, context } = options
    this.#options = options
    this.#name = `${prefix}-${sinkMark(context.operatorUid)}-${context.subtaskIndex}-${context.attemptId}`
    this.#folderMade = mkdir(options.folder, { recursive: true }).catch((error: unknown) => this.#fail(error))
  }

  get writable(): boolean {
    return !this.#blocked
  }

  write(value: T): void {
    const text: unknown = this.#options.encode(value)
    if (typeof text !== 'string')
      throw new MillraceError('MR_SINK', `FileSink: ${typeof value} has no text: give encode, or emit records`)
    this.#text += `${text}\n`
    if (this.#text.length >= pieceLength) this.#handOver()
  }

  async prepareCommit(checkpointId: number): Promise<readonly Committable[]> {
    this.#handOver()
    const part = this.#part
    this.#part = undefined
    if (part === undefined) return []
    await part.seal()
    if (this.#failed !== undefined) throw this.#failed
    const { folder, suffix } = this.#options
    const final = `${this.#name}-${checkpointId}${suffix}`
    await synchronizeFolder(folder)
    return [{ folder, pending: part.name, final }]
  }

  async commit(committables: readonly Committable[]): Promise<void> {
    const folders = new Set<string>()
    for (const committable of committables) {
      const part = pendingPart(committable)
      await publish(part)
      folders.add(part.folder)
    }
    for (const folder of folders) await synchronizeFolder(folder)
  }

  async close(): Promise<void> {
    const part = this.#part
    this.#part = undefined
    this.#text = ''
    await part?.discard()
  }

  #handOver(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#part ??= this.#openPart()
    this.#inFlight += text.length
    this.#blocked = this.#inFlight > bufferedLimit
    this.#part.append(text).then(
      () => {
        this.#inFlight -= text.length
        if (this.#blocked && this.#inFlight <= bufferedLimit / 2) {
          this.#blocked = false
          this.#options.context.wake()
        }
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #openPart(): OpenPart {
    const name = `.${this.#name}.${this.#parts++}.pending`
    return new OpenPart(this.#options.folder, name, this.#folderMade)
  }

  #fail(error: unknown): void {
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

/** A hidden file that grows by appended text; operations run in order, and none follows one that failed. */
class OpenPart {
  readonly name: string
  readonly #path: string
  readonly #handle: Promise<FileHandle>
  #last: Promise<unknown>

  constructor(folder: string, name: string, folderMade: Promise<unknown>) {
    this.name = name
    this.#path = join(folder, name)
    this.#handle = folderMade.then(() => open(this.#path, 'wx'))
    this.#last = this.#handle
  }

  append(text: string): Promise<unknown> {
    this.#last = this.#last.then(async () => (await this.#handle).appendFile(text))
    return this.#last
  }

  /** Durable when it resolves: the bytes by fsync, the name by the caller's fsync of the folder. Nothing is left of one that fails. */
  async seal(): Promise<void> {
    try {
      await this.#last
      const handle = await this.#handle
      await handle.sync()
      await handle.close()
    } catch (error) {
      await this.discard()
      throw error
    }
  }

  async discard(): Promise<void> {
    // What went wrong before has failed the subtask already: only the file is left to close and to remove.
    await this.#last.catch(() => undefined)
    await this.#handle.then((handle) => handle.close()).catch(() => undefined)
    await rm(this.#path, { force: true }).catch(() => undefined)
  }
}

/** Renames a pending part to its final name; a missing pending part beside its final one counts as done (R21). */
async function publish(part: PendingPart): Promise<void> {
  try {
    await rename(join(part.folder, part.pending), join(part.folder, part.final))
  } catch (error) {
    if (!isMissing(error)) {
      throw new MillraceError(
        'MR_SINK',
        `FileSink: can not publish ${join(part.folder, part.final)}: ${messageOf(error)}`,
        { cause: error },
      )
    }
    if (await exists(join(part.folder, part.final))) return
    throw new MillraceError(
      'MR_TRANSACTION_LOST',
      `FileSink: ${join(part.folder, part.pending)} is gone, and ${part.final} is not there either: output of a completed checkpoint is lost`,
      { cause: error },
    )
  }
}

function pendingPart(committable: JsonValue): PendingPart {
  const part = committable as unknown as Partial<PendingPart> | null
  if (typeof part?.folder !== 'string' || typeof part.pending !== 'string' || typeof part.final !== 'string') {
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `FileSink: ${JSON.stringify(committable)} is no part of a file sink`,
    )
  }
  return { folder: part.folder, pending: part.pending, final: part.final }
}

async function synchronizeFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
