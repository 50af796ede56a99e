import { MillraceError } from '../../common/errors.ts'
import { type JobId, jobId } from '../../common/ids.ts'
import type {
  ControlStore,
  LeaderAuthority,
  RegisteredTaskManager,
  StoredJob,
} from '../../coordinator/control-store.ts'
import type { ControlKeys } from '../../redis/control-keys.ts'
import type { RedisArgument, RedisConnection, RedisReply } from '../../redis/redis-connection.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'
import { checkBundle, missingBundle } from '../bundle-content.ts'

export interface RedisControlStoreOptions {
  /** Of the control plane. Where it is lost, the leader stands by and claims again (R3): the store ends with it. */
  readonly connection: RedisConnection
  readonly keys: ControlKeys
  readonly authority: LeaderAuthority
}

/** The ControlStore of one leader in Redis: every write is one fenced script, and durable when it resolves. */
export class RedisControlStore implements ControlStore {
  readonly #connection: RedisConnection
  readonly #keys: ControlKeys
  readonly #authority: LeaderAuthority

  constructor({ connection, keys, authority }: RedisControlStoreOptions) {
    this.#connection = connection
    this.#keys = keys
    this.#authority = authority
  }

  async jobs(): Promise<readonly StoredJob[]> {
    const ids = textsOf(await this.#connection.call('SMEMBERS', this.#keys.jobs)).map(jobId)
    const found = await Promise.all(ids.map((id) => this.#job(id)))
    return found.filter((job) => job !== undefined)
  }

  async writeJob(id: JobId, expectedRevision: number, record: object): Promise<number> {
    const keys = [this.#keys.jobs, this.#keys.job(id)]
    const answer = await this.#write('write-job', keys, [id, expectedRevision, JSON.stringify(record)])
    return Number(answer)
  }

  async removeJob(id: JobId): Promise<void> {
    await this.#write('remove-job', [this.#keys.jobs, this.#keys.job(id)], [id])
  }

  async taskManagers(): Promise<readonly RegisteredTaskManager[]> {
    const entries = textsOf(await this.#connection.call('HVALS', this.#keys.taskManagers))
    return entries.map((text) => JSON.parse(text) as RegisteredTaskManager)
  }

  async writeTaskManager(entry: RegisteredTaskManager): Promise<void> {
    const keys = [this.#keys.taskManagers, this.#keys.inbox(entry.id)]
    await this.#write('write-task-manager', keys, [entry.id, JSON.stringify(entry)])
  }

  async removeTaskManager(id: string): Promise<void> {
    await this.#write('remove-task-manager', [this.#keys.taskManagers, this.#keys.inbox(id)], [id])
  }

  /** Its name is its content: it needs no fence. */
  async putBundle(sha256: string, bytes: Uint8Array): Promise<void> {
    checkBundle(sha256, bytes)
    await this.#connection.call('SET', this.#keys.bundle(sha256), Buffer.from(bytes))
    await this.#connection.durable()
  }

  async bundle(sha256: string): Promise<Buffer> {
    return await readBundle(this.#connection, this.#keys, sha256)
  }

  async removeBundle(sha256: string): Promise<void> {
    await this.#write('remove-bundle', [this.#keys.bundle(sha256)], [])
  }

  async #write(script: string, keys: readonly string[], parameters: readonly RedisArgument[]): Promise<RedisReply> {
    const { token } = this.#authority
    if (!this.#authority.isValid()) {
      throw new MillraceError('MR_FENCED', `the lease of ${token} has ended: nothing is written (I3)`)
    }
    const answer = await runScript(
      this.#connection,
      redisScript(script),
      [this.#keys.leader, ...keys],
      [token, ...parameters],
    )
    await this.#connection.durable()
    return answer
  }

  /** undefined: it was removed meanwhile. */
  async #job(id: JobId): Promise<StoredJob | undefined> {
    const [revision, record] = textsOf(await this.#connection.call('HMGET', this.#keys.job(id), 'revision', 'record'))
    if (revision === undefined || record === undefined) return undefined
    return { jobId: id, revision: Number(revision), record: JSON.parse(record) }
  }
}

/** For TaskManagers, which need no more of the control store. @throws MillraceError MR_JOB_BUNDLE, MR_REDIS_… */
export async function readBundle(connection: RedisConnection, keys: ControlKeys, sha256: string): Promise<Buffer> {
  const bytes = await connection.callBuffer('GET', keys.bundle(sha256))
  if (!Buffer.isBuffer(bytes)) throw missingBundle(sha256)
  checkBundle(sha256, bytes)
  return bytes
}

function textsOf(answer: RedisReply): readonly string[] {
  return Array.isArray(answer) ? answer.filter((text) => typeof text === 'string') : []
}
