/** A partition that is being read. */
export class PartitionReading {
  readonly splitId: string
  readonly topic: string
  readonly partition: number
  /** Exclusive; Infinity: without end. */
  readonly end: number
  /** The offset after the last record emitted: what a checkpoint keeps. */
  position: number
  /** What the next fetch asks for; runs ahead of `position` by the answers that wait. */
  fetchOffset: number
  /** The end of what may be read now: the high watermark, or the last stable offset for committed data; -1: unknown. */
  readableEnd = -1
  /** The reader has told that the end is reached. */
  finished = false
  /** Fetches that failed in a row, for the back-off, and until when the next one waits (monotonic). */
  failures = 0
  pausedUntilMs = 0
  /** Since when Kafka has said that there is no such partition. */
  missingSinceMs: number | undefined

  constructor(
    splitId: string,
    place: { readonly topic: string; readonly partition: number; readonly offset: number; readonly end: number },
  ) {
    this.splitId = splitId
    this.topic = place.topic
    this.partition = place.partition
    this.end = place.end
    this.position = place.offset
    this.fetchOffset = place.offset
  }

  get place(): string {
    return `topic ${this.topic}, partition ${this.partition}`
  }

  /** Records between here and the end of what may be read. */
  get lag(): number {
    return Math.max(0, Math.min(this.readableEnd, this.end) - this.position)
  }
}
