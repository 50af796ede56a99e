import type { EventTimeWindowAssigner, WindowAssigner } from 'millrace'
import type { EvictorCase, TriggerCase } from '../../task/operators/support/general-window-reference.ts'
import type { Input, KeyKind } from './item.ts'

/** Settings that every operator of a random job has. */
export interface Placement {
  /** Names the operator; its uid. */
  readonly name: string
  /** undefined: the job's. */
  readonly parallelism: number | undefined
  /** Its parallelism grows by this with each start of the job, modulo 4. */
  readonly rescale: number
  readonly chaining: 'always' | 'head' | 'never'
}

export const computations = [
  'reduce',
  'aggregate',
  'combinableAggregate',
  'numbers',
  'combinableNumbers',
  'process',
  'reduceAndProcess',
] as const
export type Computation = (typeof computations)[number]

export interface SourceShape extends Placement {
  readonly splits: readonly (readonly Input[])[]
  /** Records are at most this much out of order within a split. */
  readonly boundMs: number
  readonly recordsAtOnce: number
  readonly interval: number
}

/** Partitioners after which it does not matter which subtask has a record. */
export type Redistribution = 'rebalance' | 'rescale' | 'shuffle'

/** What reads two streams whose records may come in any order between them. */
export type TwoInputs =
  | {
      readonly kind: 'windowJoin' | 'coGroup'
      readonly assigner: EventTimeWindowAssigner
      readonly allowedLatenessMs: number
    }
  | { readonly kind: 'intervalJoin'; readonly lowerMs: number; readonly upperMs: number }
  /** Timers and state of both inputs of one key; or of a keyed input, beside the state that the other one broadcasts. */
  | { readonly kind: 'keyedConnect' | 'keyedBroadcast'; readonly sizeMs: number }

export type TwoInputStream = TwoInputs &
  Placement & { readonly left: Stream; readonly right: Stream; readonly key: KeyKind }

/**
 * A stream whose records are the same set however subtasks interleave: no record is late, and no operator cares for the
 * order of its input.
 */
export type Stream =
  | (SourceShape & { readonly kind: 'source' })
  | (Placement & { readonly kind: 'map' | 'async' | 'flatMap' | Redistribution; readonly input: Stream })
  | (Placement & { readonly kind: 'filter'; readonly input: Stream; readonly modulus: number })
  /** Odd amounts go to a side output, which is united with the rest again. */
  | (Placement & { readonly kind: 'split'; readonly input: Stream })
  /** Read twice and united; or by both inputs of one operator. */
  | (Placement & { readonly kind: 'twice' | 'connect'; readonly input: Stream })
  | (Placement & { readonly kind: 'broadcast'; readonly input: Stream; readonly copies: number })
  | { readonly kind: 'union'; readonly inputs: readonly Stream[] }
  | TwoInputStream
  /** Broadcast state of an operator without keys; `copies` is its parallelism. */
  | (Placement & {
      readonly kind: 'broadcastState'
      readonly left: Stream
      readonly right: Stream
      readonly copies: number
    })
  | (Placement & {
      readonly kind: 'window'
      readonly input: Stream
      readonly assigner: EventTimeWindowAssigner
      readonly compute: Computation
      readonly key: KeyKind
      readonly allowedLatenessMs: number
    })
  | (Placement & { readonly kind: 'timers'; readonly input: Stream; readonly sizeMs: number; readonly key: KeyKind })

/** Count windows; a running count where `size` is undefined. */
export interface Counting extends Placement {
  readonly key: KeyKind
  readonly size: number | undefined
  readonly slide: number | undefined
}

/** What follows a stream at its end: counts are a set too, but their timestamps are anybody's. */
export interface FreePipeline {
  readonly type: 'free'
  readonly stream: Stream
  readonly count: Counting | undefined
  readonly sink: Placement
}

/** What a keyed operator does with the records of a key in their exact order. */
export type OrderedOperator =
  | { readonly kind: 'reduce' | 'aggregate' | 'numbers' | 'function' }
  | {
      readonly kind: 'window'
      readonly assigner: EventTimeWindowAssigner
      readonly compute: Computation
      readonly allowedLatenessMs: number
      readonly sideOutput: boolean
    }
  | {
      readonly kind: 'triggeredWindow'
      readonly assigner: WindowAssigner
      readonly compute: Computation
      readonly allowedLatenessMs: number
      readonly sideOutput: boolean
      readonly trigger: TriggerCase
      readonly purging: boolean
      readonly evictor: EvictorCase | undefined
    }

/** One split, so that the order of all records of a key, and of watermarks between them, is known: late ones too. */
export interface OrderedPipeline {
  readonly type: 'ordered'
  readonly source: SourceShape
  /** Watermarks come from the source, or from an operator behind it. */
  readonly watermarksFrom: 'source' | 'operator'
  readonly stages: readonly (Placement & { readonly kind: 'map' | 'filter' | 'flatMap'; readonly modulus: number })[]
  readonly key: KeyKind
  readonly operator: OrderedOperator & Placement
  readonly sink: Placement
}

export type Pipeline = FreePipeline | OrderedPipeline

export interface JobShape {
  readonly pipelines: readonly Pipeline[]
  /** Records and state of declared types; else untyped. */
  readonly declared: boolean
  /** Of each start in turn. */
  readonly parallelisms: readonly number[]
  readonly maxParallelism: number
  readonly checkpointIntervalMs: number
  readonly tolerableFailedCheckpoints: number
  readonly bufferTimeoutMs: number
  readonly autoWatermarkIntervalMs: number
  readonly restartDelayMs: number
  readonly batchesPerTurn: number
  /** Turns of the event loop that preparing and committing take. */
  readonly sinkTurns: number
  /** Of how slots interleave. */
  readonly seed: number
  /** An operator throws once, at its n-th call counted over all its subtasks and replays. */
  readonly throws: readonly { readonly operator: string; readonly call: number }[]
}
