import { MillraceError } from '../../common/errors.ts'
import type { PartitionOffset } from './kafka-protocol.ts'

/** Where a partition that nothing else is said of starts or ends. */
export type OffsetReset = 'earliest' | 'latest'

/** Where a source starts, or ends, in each partition. Plain data; made by `OffsetsInitializer`. */
export type OffsetsInitializer =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }
  | { readonly kind: 'committed'; readonly otherwise: OffsetReset | 'none' }
  | { readonly kind: 'offsets'; readonly offsets: readonly ExplicitOffset[]; readonly otherwise: OffsetReset }

/** The next offset to read of a partition, or as an end the first one that is not read any more. */
export type ExplicitOffset = Pick<PartitionOffset, 'topic' | 'partition' | 'offset'>

/** Offsets to start from and to end at. */
export const OffsetsInitializer = {
  /** The first records that Kafka still has. */
  earliest(): OffsetsInitializer {
    return { kind: 'earliest' }
  },

  /** The end of the log when the job starts; with `read_committed` the last stable offset, which an open transaction holds back. */
  latest(): OffsetsInitializer {
    return { kind: 'latest' }
  },

  /** The first record whose timestamp (epoch milliseconds) is this or later; where there is none, the end of the log. */
  timestamp(timestampMs: number): OffsetsInitializer {
    if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
      throw new MillraceError('MR_CONFIGURATION', `offsets: ${timestampMs} is no time in epoch milliseconds`)
    }
    return { kind: 'timestamp', timestampMs }
  },

  /** What the source's group has committed. @param otherwise for partitions without a commit; `none` is an error */
  committedOffsets(otherwise: OffsetReset | 'none' = 'none'): OffsetsInitializer {
    return { kind: 'committed', otherwise }
  },

  /** Offsets by partition. @param otherwise for partitions that are not named */
  offsets(offsets: readonly ExplicitOffset[], otherwise: OffsetReset = 'earliest'): OffsetsInitializer {
    for (const { topic, partition, offset } of offsets) {
      if (Number.isSafeInteger(offset) && offset >= 0 && Number.isSafeInteger(partition) && partition >= 0) continue
      throw new MillraceError(
        'MR_CONFIGURATION',
        `offsets: topic ${topic}, partition ${partition}: ${offset} is no offset`,
      )
    }
    return {
      kind: 'offsets',
      offsets: offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
      otherwise,
    }
  },
} as const

/** A name stands for the initializer without arguments; `committed` falls back to earliest. */
export type OffsetsOption = 'earliest' | 'latest' | 'committed' | OffsetsInitializer

export function offsetsInitializerOf(option: OffsetsOption): OffsetsInitializer {
  switch (option) {
    case 'earliest':
      return OffsetsInitializer.earliest()
    case 'latest':
      return OffsetsInitializer.latest()
    case 'committed':
      return OffsetsInitializer.committedOffsets('earliest')
    default:
      return option
  }
}
