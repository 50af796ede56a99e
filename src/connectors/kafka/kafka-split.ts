import type { SourceSplit } from '../../api/source.ts'
import { MillraceError } from '../../common/errors.ts'
import type { TopicPartition } from './kafka-protocol.ts'

/** A partition with the offsets to read: what stands in checkpoints. */
export interface KafkaSplit extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  /** Exclusive; undefined: without end. */
  readonly end: number | undefined
}

/** `ads-3` */
export function splitId({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

export function sourceSplitOf({ topic, partition, offset, end }: KafkaSplit): SourceSplit {
  const position = { topic, partition, offset, ...(end === undefined ? {} : { end }) }
  return { id: splitId({ topic, partition }), position }
}

/** @throws MillraceError MR_STATE_INCOMPATIBLE where it is no split of a Kafka source */
export function kafkaSplitOf(split: SourceSplit): KafkaSplit {
  const position: unknown = split.position
  if (typeof position === 'object' && position !== null && 'topic' in position && 'partition' in position) {
    const { topic, partition } = position
    const offset = 'offset' in position ? position.offset : undefined
    const end = 'end' in position ? position.end : undefined
    if (typeof topic === 'string' && isCount(partition) && isCount(offset) && (end === undefined || isCount(end))) {
      return { topic, partition, offset, end }
    }
  }
  throw new MillraceError('MR_STATE_INCOMPATIBLE', `split '${split.id}' is none of a Kafka source`)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
