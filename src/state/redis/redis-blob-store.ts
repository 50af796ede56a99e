import { isMillraceError, MillraceError } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import type { RedisConnection } from '../../redis/redis-connection.ts'
import { RedisConnections } from '../../redis/redis-connections.ts'
import type { RedisOptions } from '../../redis/redis-options.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'
import type { BlobStore } from '../blob-store.ts'
import { missing, tooShort } from '../memory-blob-store.ts'
import { BlobKeys, type BlobPlace, jobOfPrefix, placeOf } from './blob-keys.ts'

/** A command stays below 1 MB (R5), and a value below the megabyte that Redis's allocator rounds up to. */
export const pieceBytes = 1024 * 1024 - 4096
/** Length of the blob, before its bytes. */
const headerBytes = 8
const connectionsOfStore = 2
/** A restart of Redis is waited for; the checkpoint has a time limit of its own. */
const patienceMs = 30_000
const keysOfCommand = 256

/**
 * Blobs as strings of Redis, cut into pieces that spread over hash slots and are read by range. Each job has an index of
 * its blobs (a set of folders, a hash a folder), written before the pieces and removed after them.
 */
export class RedisBlobStore implements BlobStore {
  readonly #keys: BlobKeys
  readonly #connections: RedisConnections
  readonly #isCluster: boolean

  constructor(redis: RedisOptions, prefix: string, clock: Clock) {
    this.#keys = new BlobKeys(prefix)
    this.#connections = new RedisConnections({ redis, count: connectionsOfStore, patienceMs, clock })
    this.#isCluster = redis.cluster === true
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const place = placeOf(name)
    const count = Math.ceil((headerBytes + bytes.length) / pieceBytes)
    await this.#run(async (connection) => {
      const index = [this.#keys.folders(place.job), this.#keys.folder(place.job, place.folder)]
      await runScript(connection, redisScript('blob-index-add'), index, [place.folder, place.base, count])
      // Another node may keep what this one loses.
      if (this.#isCluster) await connection.durable()
      await all(this.#keys.pieces(name, count).map((key, piece) => connection.call('SET', key, pieceOf(bytes, piece))))
      await connection.durable()
    })
  }

  async get(name: string): Promise<Buffer> {
    placeOf(name)
    return await this.#run(async (connection) => {
      const first = await bytesOf(connection.callBuffer('GET', this.#keys.piece(name, 0)))
      if (first.length < headerBytes) throw missing(name)
      const blob = Buffer.allocUnsafeSlow(Number(first.readBigUInt64LE(0)))
      let length = first.copy(blob, 0, headerBytes)
      const rest = this.#keys.pieces(name, Math.ceil((headerBytes + blob.length) / pieceBytes)).slice(1)
      for (const piece of await all(rest.map((key) => bytesOf(connection.callBuffer('GET', key))))) {
        length += piece.copy(blob, length)
      }
      if (length < blob.length) throw tooShort(name, length)
      return blob
    })
  }

  async getRange(name: string, offset: number, length: number): Promise<Buffer> {
    placeOf(name)
    return await this.#run(async (connection) => {
      const range = Buffer.allocUnsafeSlow(length)
      const reads: Promise<Buffer>[] = []
      for (let position = headerBytes + offset; position < headerBytes + offset + length; ) {
        const start = position % pieceBytes
        const end = Math.min(pieceBytes, start + headerBytes + offset + length - position)
        const key = this.#keys.piece(name, Math.floor(position / pieceBytes))
        reads.push(bytesOf(connection.callBuffer('GETRANGE', key, start, end - 1)))
        position += end - start
      }
      let read = 0
      for (const part of await all(reads)) read += part.copy(range, read)
      if (read < length) throw await this.#damaged(connection, name)
      return range
    })
  }

  async delete(names: readonly string[]): Promise<void> {
    const folders = Map.groupBy(names.map(placeOf), ({ job, folder }) => `${job} ${folder}`)
    await this.#run(async (connection) => {
      await all([...folders.values()].map((places) => this.#deleteOfFolder(connection, places)))
      // Whoever removes the entry of the garbage acts on this (R10).
      await connection.durable()
    })
  }

  async list(prefix: string): Promise<readonly string[]> {
    return await this.#run(async (connection) => {
      const lists = await all((await this.#jobsOf(connection, prefix)).map((job) => this.#namesOf(connection, job)))
      return lists
        .flat()
        .filter((name) => name.startsWith(prefix))
        .sort()
    })
  }

  /** Jobs of which there are blobs. */
  async jobs(): Promise<readonly string[]> {
    return await this.#run((connection) => this.#jobsOf(connection, ''))
  }

  close(): void {
    this.#connections.close()
  }

  async #deleteOfFolder(connection: RedisConnection, places: readonly BlobPlace[]): Promise<void> {
    const [first] = places
    if (first === undefined) return
    const { job, folder } = first
    const bases = places.map(({ base }) => base)
    const counts = await textsOf(connection.call('HMGET', this.#keys.folder(job, folder), ...bases))
    const pieces = bases.flatMap((base, position) =>
      this.#keys.pieces(nameIn(folder, base), Number(counts[position] ?? 1)),
    )
    const batch = this.#isCluster ? 1 : keysOfCommand
    const commands: Promise<unknown>[] = []
    for (let start = 0; start < pieces.length; start += batch) {
      commands.push(connection.call('UNLINK', ...pieces.slice(start, start + batch)))
    }
    await all(commands)
    const index = [this.#keys.folders(job), this.#keys.folder(job, folder)]
    await runScript(connection, redisScript('blob-index-remove'), index, [folder, ...bases])
  }

  async #jobsOf(connection: RedisConnection, prefix: string): Promise<readonly string[]> {
    const job = jobOfPrefix(prefix)
    if (job !== undefined) return [job]
    const patterns = [this.#keys.indexPattern(prefix), this.#keys.noJobPattern]
    const keys = (await all(patterns.map((pattern) => connection.scan(pattern)))).flat()
    return [...new Set(keys.map((key) => this.#keys.jobOfIndexKey(key)))]
  }

  async #namesOf(connection: RedisConnection, job: string): Promise<readonly string[]> {
    const folders = await textsOf(connection.call('SMEMBERS', this.#keys.folders(job)))
    const lists = folders.map(async (folder) => {
      const bases = await textsOf(connection.call('HKEYS', this.#keys.folder(job, folder ?? '')))
      return bases.map((base) => nameIn(folder ?? '', base ?? ''))
    })
    return (await all(lists)).flat()
  }

  async #damaged(connection: RedisConnection, name: string): Promise<MillraceError> {
    const header = await bytesOf(connection.callBuffer('GETRANGE', this.#keys.piece(name, 0), 0, headerBytes - 1))
    return header.length < headerBytes ? missing(name) : tooShort(name, Number(header.readBigUInt64LE(0)))
  }

  async #run<Result>(action: (connection: RedisConnection) => Promise<Result>): Promise<Result> {
    try {
      return await this.#connections.run(action)
    } catch (error) {
      throw storageError(error)
    }
  }
}

/** F10: a full Redis is a storage that refuses. */
export function storageError(error: unknown): unknown {
  if (!isMillraceError(error) || error.code !== 'MR_REDIS_FULL') return error
  return new MillraceError('MR_STORAGE', `Redis is full; raise its maxmemory. ${error.message}`)
}

function nameIn(folder: string, base: string): string {
  return folder === '' ? base : `${folder}/${base}`
}

/** The stored form is the length and the bytes, cut after each `pieceBytes`. */
function pieceOf(bytes: Uint8Array, piece: number): Buffer {
  const start = Math.max(0, piece * pieceBytes - headerBytes)
  const part = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(
    start,
    (piece + 1) * pieceBytes - headerBytes,
  )
  if (piece > 0) return part
  const header = Buffer.alloc(headerBytes)
  header.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([header, part])
}

async function bytesOf(reply: Promise<unknown>): Promise<Buffer> {
  const bytes = await reply
  return Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0)
}

async function textsOf(reply: Promise<unknown>): Promise<readonly (string | undefined)[]> {
  const texts = await reply
  return Array.isArray(texts) ? texts.map((text) => (typeof text === 'string' ? text : undefined)) : []
}

/** All have ended when it settles: none is left without someone who waits for it. */
async function all<Result>(promises: readonly Promise<Result>[]): Promise<Result[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}
