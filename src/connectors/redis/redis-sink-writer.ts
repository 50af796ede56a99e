import type { Redis } from 'ioredis'
import type { SinkWriter, SinkWriterContext } from '../../api/sink.ts'
import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import type { Timer } from '../../common/ports.ts'
import { addressOf, connect } from './redis-connection.ts'
import { askServerTraits, refuseEviction } from './redis-server.ts'

/** Name and arguments of a command. */
export type RedisCommand = readonly [name: string, ...arguments: readonly (string | number | Uint8Array)[]]

interface WriterOptions<T> {
  readonly url: string
  readonly unreachableMs: number
  readonly commandsOf: (value: T, timestamp: number) => readonly RedisCommand[]
  readonly bufferTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly acceptEviction: boolean
  readonly context: SinkWriterContext
}

/** A script holds the server while it runs: batches are small enough to be a matter of a millisecond. */
const batchCommands = 200
const batchBytes = 64 * 1024
/** An fsync takes milliseconds, with `everysec` up to a second. */
const waitForDiskMs = 30_000
const fencedReply = 'MILLRACE_FENCED'

/**
 * Takes the place of the subtask for this attempt, and ends those of another parallelism, whose keys belong to others now.
 * KEYS: tokens. ARGV: subtask, parallelism, attempt.
 */
const claimScript = `
local tokens = redis.call('HGETALL', KEYS[1])
for index = 1, #tokens, 2 do
  if string.match(tokens[index + 1], '^[^:]*') ~= ARGV[2] then redis.call('HDEL', KEYS[1], tokens[index]) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
return 1
`

/** Runs commands if the attempt still has the token (R21). KEYS: tokens. ARGV: subtask, token, then for each command its length and parts. */
const batchScript = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return redis.error_reply('${fencedReply} another attempt has taken over') end
local at = 3
while at <= #ARGV do
  local length = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + length))
  at = at + length + 1
end
return 1
`

type Argument = string | number | Buffer

/** Writes the records of one subtask: batches in order, several on their way at a time. */
export class RedisSinkWriter<T> implements SinkWriter<T> {
  readonly #options: WriterOptions<T>
  readonly #redis: Redis
  readonly #tokensKey: string
  readonly #subtask: string
  readonly #token: string
  #batch: Argument[] = []
  #commands = 0
  #bytes = 0
  /** Of batches that are on their way. */
  #inFlightBytes = 0
  #timer: Timer | undefined
  /** All batches so far have been answered. */
  #answered: Promise<void>
  #opened = false
  /** The server can tell when what was written is on its disk. */
  #waitsForDisk = false
  /** Batches that were answered, and how many of them are known to be on the server's disk. */
  #answeredCount = 0
  #durableCount = 0
  #blocked = false
  #closed = false
  readonly #abandoned = Promise.withResolvers<never>()

  constructor(options: WriterOptions<T>) {
    const { context, url, unreachableMs } = options
    this.#options = options
    this.#tokensKey = `millrace:sink:${context.jobName}:${context.operatorUid}`
    this.#subtask = String(context.subtaskIndex)
    this.#token = `${context.parallelism}:${context.attemptId}`
    this.#redis = connect({ url, unreachableMs, clock: context.clock, fail: (error) => this.#fail(error) })
    this.#redis.on('close', () => this.#failUndetermined())
    this.#answered = this.#claim()
    // Told by `fail`.
    this.#answered.catch(() => {})
    this.#abandoned.promise.catch(() => {})
  }

  get writable(): boolean {
    return this.#opened && !this.#blocked
  }

  write(value: T, timestamp: number): void {
    for (const command of this.#options.commandsOf(value, timestamp)) this.#add(command)
    const { bufferTimeoutMs, maxBufferedBytes, context } = this.#options
    if (this.#commands >= batchCommands || this.#bytes >= batchBytes) this.#send()
    else this.#timer ??= context.clock.schedule(bufferTimeoutMs, () => this.#send())
    this.#blocked = this.#inFlightBytes + this.#bytes > maxBufferedBytes
  }

  /** What was written is in Redis when the checkpoint is acknowledged. */
  async prepareCommit(): Promise<readonly never[]> {
    this.#send()
    await Promise.race([this.#onDisk(this.#answered), this.#abandoned.promise])
    return []
  }

  async commit(): Promise<void> {}

  /** What waits for Redis is not waited for. */
  abandon(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#redis.disconnect()
    this.#abandoned.reject(new MillraceError('MR_SINK', 'RedisSink: the attempt has ended'))
  }

  async close(): Promise<void> {
    this.abandon()
  }

  async #claim(): Promise<void> {
    const { context, url, acceptEviction } = this.#options
    const { parallelism, attemptId } = context
    try {
      const traits = await askServerTraits(this.#redis)
      if (!acceptEviction) refuseEviction(traits, addressOf(url))
      this.#waitsForDisk = traits.waitsForDisk
      await this.#redis.eval(claimScript, 1, this.#tokensKey, this.#subtask, String(parallelism), attemptId)
    } catch (error) {
      throw this.#fail(error)
    }
    this.#opened = true
    this.#options.context.wake()
  }

  /** R3: answered is not yet on disk. The wait covers all that this connection has written. */
  async #onDisk(answered: Promise<void>): Promise<void> {
    await answered
    const count = this.#answeredCount
    if (!this.#waitsForDisk || count === this.#durableCount) return
    try {
      const [local] = (await this.#redis.call('WAITAOF', 1, 0, waitForDiskMs)) as readonly number[]
      if ((local ?? 0) < 1) throw new Error(`not on the server's disk after ${waitForDiskMs} ms`)
    } catch (error) {
      throw this.#fail(error)
    }
    this.#durableCount = Math.max(this.#durableCount, count)
  }

  /** R3: whether what was answered is on disk can not be told by another connection. The attempt ends, and its records are written again. */
  #failUndetermined(): void {
    if (this.#closed || !this.#waitsForDisk || this.#answeredCount === this.#durableCount) return
    const failure = this.#fail(new Error('the connection broke before all that was written was on disk'))
    this.#abandoned.reject(failure)
  }

  #add(command: RedisCommand): void {
    this.#batch.push(command.length)
    for (const part of command) {
      const argument = part instanceof Uint8Array ? Buffer.from(part) : part
      this.#batch.push(argument)
      this.#bytes += typeof argument === 'number' ? 8 : argument.length
    }
    this.#commands++
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#commands === 0 || this.#closed) return
    const batch = this.#batch
    const bytes = this.#bytes
    this.#batch = []
    this.#commands = 0
    this.#bytes = 0
    this.#inFlightBytes += bytes
    const sent = this.#redis
      .eval(batchScript, 1, this.#tokensKey, this.#subtask, this.#token, ...batch)
      .then(() => this.#drained(bytes))
      .catch((error: unknown) => {
        throw this.#fail(error)
      })
    this.#answered = Promise.all([this.#answered, sent]).then(() => undefined)
    this.#answered.catch(() => {})
  }

  #drained(bytes: number): void {
    this.#answeredCount++
    this.#inFlightBytes -= bytes
    if (!this.#blocked || this.#inFlightBytes > this.#options.maxBufferedBytes / 2) return
    this.#blocked = false
    this.#options.context.wake()
  }

  #fail(error: unknown): MillraceError {
    const { url, context } = this.#options
    const failure = isMillraceError(error)
      ? error
      : new MillraceError(
          'MR_SINK',
          `RedisSink: ${addressOf(url)}: ${messageOf(error).replace(`${fencedReply} `, '')}`,
          {
            cause: error,
            operator: context.operatorName,
          },
        )
    if (!this.#closed) context.fail(failure)
    return failure
  }
}
