import type { ProducerSession } from './producer-session.ts'

/** What was written between two barriers: it belongs to one checkpoint, and in exactly-once sinks to one transaction. */
export class WriteInterval {
  readonly session: ProducerSession
  readonly topics = new Set<string>()
  records = 0
  /** Batches, and records that wait for their topic's partitions, that Kafka has not acknowledged. */
  #outstanding = 0
  #cut = false
  #lastTopic: string | undefined
  readonly #flushed = Promise.withResolvers<void>()

  constructor(session: ProducerSession) {
    this.session = session
    // A writer that ends asks for it no more.
    this.#flushed.promise.catch(() => {})
  }

  /** A record for the topic. */
  wrote(topic: string): void {
    this.records++
    if (topic === this.#lastTopic) return
    this.#lastTopic = topic
    this.topics.add(topic)
  }

  begin(): void {
    this.#outstanding++
  }

  end(): void {
    this.#outstanding--
    if (this.#cut && this.#outstanding === 0) this.#flushed.resolve()
  }

  /** Nothing more is written into it. Resolves when Kafka has acknowledged everything. */
  cut(): Promise<void> {
    this.#cut = true
    if (this.#outstanding === 0) this.#flushed.resolve()
    return this.#flushed.promise
  }

  fail(error: unknown): void {
    this.#flushed.reject(error)
  }
}
