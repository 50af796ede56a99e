import { crc32c } from '@node-rs/crc32'
import type { SourceSplit } from '../../api/source.ts'
import { isMillraceError, MillraceError } from '../../common/errors.ts'
import { type CheckpointId, checkpointId, type JobId, type LeaderToken, type VertexId } from '../../common/ids.ts'
import type { ControlKeys } from '../../redis/control-keys.ts'
import type { RedisArgument, RedisConnection, RedisReply } from '../../redis/redis-connection.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'
import { baseViolationIn } from '../base-check.ts'
import type { BlobStore } from '../blob-store.ts'
import { BlobSweeper } from '../blob-sweeper.ts'
import type { CheckpointRecord } from '../checkpoint-record.ts'
import type { CheckpointStore, EndOfJob } from '../checkpoint-store.ts'
import { ManifestHeaders } from '../manifest-headers.ts'
import { recordExists } from '../memory-checkpoint-store.ts'
import type { TransactionLedger } from '../transaction-ledger.ts'
import { storageError } from './redis-blob-store.ts'

export interface RedisCheckpointStoreOptions {
  readonly jobId: JobId
  readonly keys: ControlKeys
  /** The leader's connection to the Redis of the control plane; what becomes of a lost one is the leader's business. */
  readonly connect: () => Promise<RedisConnection>
  /** Whoever has another one by now writes nothing (I1). */
  readonly token: () => LeaderToken
  /** Where the blobs are: in Redis, or in a folder that all processes share. */
  readonly blobStore: BlobStore
}

const transactionsField = 'transactions'
const committedField = 'committed'

/**
 * The records of one job in the control plane's Redis. Each write is one script that compares the leader's token and the
 * revision that it knows, and is on disk when its promise resolves (R3, R25).
 */
export class RedisCheckpointStore implements CheckpointStore {
  readonly #options: RedisCheckpointStoreOptions
  readonly #scriptKeys: readonly string[]
  readonly #headers: ManifestHeaders
  readonly #sweeper: BlobSweeper
  /** undefined: not known, as before the first write and after one whose end was not learned. */
  #revision: number | undefined
  /** Ids that TaskManagers know are not minted again, also where Redis has forgotten them (R25). */
  #floor = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(options: RedisCheckpointStoreOptions) {
    const { keys, jobId, blobStore } = options
    this.#options = options
    this.#scriptKeys = [
      keys.leader,
      keys.checkpoints(jobId),
      keys.checkpointRecords(jobId),
      keys.checkpointGarbage(jobId),
    ]
    this.#headers = new ManifestHeaders(blobStore)
    this.#sweeper = new BlobSweeper(blobStore, this.#headers)
  }

  /** Ids that are begun from now on are above this one. */
  beginAbove(id: CheckpointId): void {
    this.#floor = Math.max(this.#floor, id)
  }

  async recordStart(vertexId: VertexId, splits: readonly SourceSplit[]): Promise<void> {
    await this.#write('checkpoint-write', startField(vertexId), encode(splits))
  }

  async recordedStart(vertexId: VertexId): Promise<readonly SourceSplit[] | undefined> {
    return this.#decode<readonly SourceSplit[]>(await this.#field(startField(vertexId)), `the start of ${vertexId}`)
  }

  async recordTransactions(ledger: TransactionLedger): Promise<void> {
    await this.#write('checkpoint-write', transactionsField, encode(ledger))
  }

  async recordedTransactions(): Promise<TransactionLedger> {
    return this.#decode<TransactionLedger>(await this.#field(transactionsField), 'the ledger of transactions') ?? []
  }

  async begin(): Promise<CheckpointId> {
    const [id] = await this.#write('checkpoint-begin', this.#floor)
    return checkpointId(Number(id))
  }

  baseViolation(record: CheckpointRecord): Promise<string | undefined> {
    return baseViolationIn(record, this.#headers, (id) => this.read(id))
  }

  async complete(record: CheckpointRecord): Promise<void> {
    const [written] = await this.#write('checkpoint-complete', record.id, encode(record))
    if (written !== 1) throw recordExists(record.id)
  }

  async makeDurable(id: CheckpointId): Promise<void> {
    await this.#write('checkpoint-write', '', '')
    if ((await this.#record(id)) === null) throw this.#notFound(id)
  }

  async markCommitted(id: CheckpointId): Promise<void> {
    await this.#write('checkpoint-write', committedField, Math.max(id, await this.#committed()))
  }

  async isCommitted(id: CheckpointId): Promise<boolean> {
    return (await this.#committed()) >= id
  }

  async list(): Promise<readonly CheckpointId[]> {
    const [, , records = ''] = this.#scriptKeys
    const ids = await this.#read((connection) => connection.call('HKEYS', records))
    return (Array.isArray(ids) ? ids : []).map((id) => checkpointId(Number(id))).sort((left, right) => left - right)
  }

  async read(id: CheckpointId): Promise<CheckpointRecord> {
    const text = await this.#record(id)
    const record = this.#decode<CheckpointRecord>(text, `checkpoint ${id}`)
    if (record === undefined) throw this.#notFound(id)
    if (record.formatVersion !== 1) throw this.#damaged(`checkpoint ${id}`)
    return record
  }

  async retain(retained: number): Promise<void> {
    const kept = (await this.list()).slice(-Math.max(1, retained))
    const [oldest] = kept
    if (oldest === undefined) return
    // Records go before their blobs: none may name a blob that is gone.
    const [garbage] = await this.#write('checkpoint-retain', oldest)
    await this.#sweeper.sweep(await Promise.all(kept.map((id) => this.read(id))))
    if (garbage !== 0) await this.#write('checkpoint-forget', oldest)
  }

  async ended(outcome: EndOfJob): Promise<void> {
    if (outcome === 'FINISHED' || outcome === 'CANCELED') await this.discard()
  }

  /** Deletes everything of the job, its blobs included. What a crash leaves undone is done by calling it again. */
  async discard(): Promise<void> {
    const { blobStore, jobId } = this.#options
    await this.#write('checkpoint-discard', 'records')
    await blobStore.delete(await blobStore.list(`${jobId}/`))
    await this.#write('checkpoint-discard', 'all')
  }

  async #committed(): Promise<number> {
    return Number((await this.#field(committedField)) ?? 0)
  }

  async #field(field: string): Promise<RedisReply> {
    const [, checkpoints = ''] = this.#scriptKeys
    return await this.#read((connection) => connection.call('HGET', checkpoints, field))
  }

  async #record(id: CheckpointId): Promise<RedisReply> {
    const [, , records = ''] = this.#scriptKeys
    return await this.#read((connection) => connection.call('HGET', records, id))
  }

  async #read(action: (connection: RedisConnection) => Promise<RedisReply>): Promise<RedisReply> {
    return await action(await this.#options.connect())
  }

  /** One after another: each tells the revision that the next one compares. Gives what the script returns after it. */
  #write(script: string, ...parameters: RedisArgument[]): Promise<readonly RedisReply[]> {
    const written = this.#queue.then(() => this.#writeNow(script, parameters))
    this.#queue = written.catch(() => undefined)
    return written
  }

  async #writeNow(name: string, parameters: readonly RedisArgument[]): Promise<readonly RedisReply[]> {
    const { connect, token } = this.#options
    const known = this.#revision
    try {
      const connection = await connect()
      const all = [token(), known ?? '', ...parameters]
      const reply = await runScript(connection, redisScript(name), this.#scriptKeys, all)
      await connection.durable()
      const [revision, ...answer] = Array.isArray(reply) ? reply : []
      this.#revision = Number(revision)
      return answer
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MR_REDIS_UNDETERMINED') this.#revision = undefined
      throw storageError(error)
    }
  }

  #decode<Content>(text: RedisReply, what: string): Content | undefined {
    if (typeof text !== 'string') return undefined
    const end = text.indexOf(' ')
    const json = text.slice(end + 1)
    if (Number(text.slice(0, end)) !== crc32c(json)) throw this.#damaged(what)
    return JSON.parse(json) as Content
  }

  #damaged(what: string): MillraceError {
    const text = `Redis: ${what} of job ${this.#options.jobId} is damaged: wrong checksum.`
    return new MillraceError('MR_CHECKPOINT_DAMAGED', text)
  }

  #notFound(id: CheckpointId): MillraceError {
    const text = `Redis: there is no checkpoint ${id} of job ${this.#options.jobId}.`
    return new MillraceError('MR_CHECKPOINT_NOT_FOUND', text)
  }
}

function startField(vertexId: VertexId): string {
  return `start:${vertexId}`
}

/** The checksum is of the JSON that follows. */
function encode(content: unknown): string {
  const json = JSON.stringify(content)
  return `${crc32c(json)} ${json}`
}
