import type { IsolationLevel } from '../../../src/connectors/kafka/kafka-protocol.ts'
import { latestTimestamp } from '../../../src/connectors/kafka/kafka-protocol.ts'
import { type AskOffsets, offsetsOf } from './committed-records.ts'

const isolations = ['read_uncommitted', 'read_committed'] as const
const pollMs = 20

/**
 * When a topic grew, for readers of committed data and of all: by the ends of its partitions, so the end marker of a
 * transaction counts as growth too.
 */
export class ProgressWatch {
  readonly #changesMs: Readonly<Record<IsolationLevel, number[]>> = { read_uncommitted: [], read_committed: [] }
  readonly #ends: Record<IsolationLevel, number> = { read_uncommitted: 0, read_committed: 0 }
  readonly #done: Promise<void>
  #stopped = false

  constructor(brokers: readonly string[], topic: string) {
    this.#done = this.#watch(brokers, topic)
  }

  /** Monotonic time of the last growth. */
  lastMs(isolation: IsolationLevel): number {
    return this.#changesMs[isolation].at(-1) ?? 0
  }

  /** The longest time without growth of which some part lies between the two moments. */
  longestPauseMs(isolation: IsolationLevel, fromMs: number, toMs: number): number {
    const changes = this.#changesMs[isolation]
    let longest = 0
    for (let index = 1; index < changes.length; index++) {
      const [begin, end] = [changes[index - 1] ?? 0, changes[index] ?? 0]
      if (end > fromMs && begin < toMs) longest = Math.max(longest, end - begin)
    }
    return longest
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  /** Goes on with a new client where the brokers were away. */
  async #watch(brokers: readonly string[], topic: string): Promise<void> {
    while (!this.#stopped) {
      try {
        await offsetsOf(brokers, topic, (ask) => this.#poll(ask), 2000)
      } catch {
        await new Promise((settle) => setTimeout(settle, 100))
      }
    }
  }

  async #poll(ask: AskOffsets): Promise<void> {
    while (!this.#stopped) {
      for (const isolation of isolations) {
        const offsets = await ask(latestTimestamp, isolation)
        const end = [...offsets.values()].reduce((sum, offset) => sum + offset, 0)
        if (end === this.#ends[isolation]) continue
        this.#ends[isolation] = end
        this.#changesMs[isolation].push(performance.now())
      }
      await new Promise((settle) => setTimeout(settle, pollMs))
    }
  }
}
