import { messageOf } from '../../common/errors.ts'
import type { Clock } from '../../common/ports.ts'
import type { RedisArgument } from '../../redis/redis-connection.ts'
import type { RedisOptions } from '../../redis/redis-options.ts'
import { openCheckedRedis, ReopenedConnection } from '../../redis/reopened-connection.ts'

/** How a lock node answered the last operation: `none` where it did not, or not yet. */
export type LockVote = 'yes' | 'no' | 'none'

/** One server that votes. It is opened again by the next operation after it was lost. What redlock calls of a client is here. */
export class LockNode {
  vote: LockVote = 'none'
  trouble = ''
  readonly #connection: ReopenedConnection
  #operation = 0

  constructor(options: RedisOptions, clock: Clock) {
    // What a lock server loses costs a lease, never the job: writes are fenced elsewhere.
    const lockOptions = { ...options, acceptDataLoss: true }
    this.#connection = new ReopenedConnection({ open: () => openCheckedRedis(lockOptions, clock), clock })
  }

  /** Before each operation: a late answer to an older one does not count. */
  begin(): void {
    this.#operation++
    this.vote = 'none'
  }

  evalsha(sha1: string, keyCount: number, parameters: readonly RedisArgument[]): Promise<number> {
    return this.#run('EVALSHA', sha1, keyCount, parameters)
  }

  eval(source: string, keyCount: number, parameters: readonly RedisArgument[]): Promise<number> {
    return this.#run('EVAL', source, keyCount, parameters)
  }

  close(): void {
    this.#connection.close()
  }

  async #run(command: string, script: string, keyCount: number, parameters: readonly RedisArgument[]): Promise<number> {
    const operation = this.#operation
    try {
      const connection = await this.#connection.get()
      const answer = Number(await connection.call(command, script, keyCount, ...parameters))
      if (operation === this.#operation) this.vote = answer === keyCount ? 'yes' : 'no'
      return answer
    } catch (error) {
      const text = messageOf(error)
      // By this beginning redlock knows that it has to send the whole script (F16).
      if (text.includes('NOSCRIPT')) throw new Error('NOSCRIPT')
      this.trouble = text
      throw error instanceof Error ? error : new Error(text)
    }
  }
}
