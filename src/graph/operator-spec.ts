import type { BroadcastProcessFunction, KeyedBroadcastProcessFunction } from '../api/broadcast-functions.ts'
import type {
  CoFlatMapFunction,
  CoMapFunction,
  CoProcessFunction,
  KeyedCoProcessFunction,
  ProcessJoinFunction,
} from '../api/co-functions.ts'
import type { Evictor } from '../api/evictors.ts'
import type {
  AggregateFunction,
  FilterFunction,
  FlatMapFunction,
  Key,
  KeyedProcessFunction,
  KeySelector,
  MapFunction,
  OutputTag,
  ProcessFunction,
  ProcessWindowFunction,
  ReduceFunction,
} from '../api/functions.ts'
import type { Sink } from '../api/sink.ts'
import type { Source } from '../api/source.ts'
import type { MapStateDescriptor } from '../api/state.ts'
import type { Trigger } from '../api/triggers.ts'
import type { WatermarkSpecification } from '../api/watermarks.ts'
import type { RecordAggregate } from '../columns/aggregate.ts'
import type { Expression, Projection } from '../columns/expression.ts'
import type { DataType } from '../formats/data-type.ts'
import type { AsyncSpec } from './async-spec.ts'

/** Functions of a graph have lost their type parameters: values flow between operators as `unknown`. */
type Value = unknown

/** What an operator does. Immutable; the user's functions are inside. The task layer has one operator for each kind. */
export type OperatorSpec =
  | SourceSpec
  /** `select`: what the function computes, where it was declared by expressions. */
  | { readonly kind: 'map'; readonly map: MapFunction<Value, Value>; readonly select?: Projection }
  | { readonly kind: 'flatMap'; readonly flatMap: FlatMapFunction<Value, Value> }
  /** `where`: what the function computes, where it was declared as an expression. */
  | { readonly kind: 'filter'; readonly filter: FilterFunction<Value>; readonly where?: Expression }
  | { readonly kind: 'timestampsAndWatermarks'; readonly watermarks: WatermarkSpecification<Value> }
  | { readonly kind: 'process'; readonly process: ProcessFunction<Value, Value> }
  | { readonly kind: 'keyedProcess'; readonly process: KeyedProcessFunction<Key, Value, Value> }
  | { readonly kind: 'reduce'; readonly reduce: ReduceFunction<Value>; readonly type: DataType<Value> }
  | {
      readonly kind: 'aggregate'
      readonly aggregate: AggregateFunction<Value, Value, Value>
      readonly withKey: WithKey | undefined
      /** What aggregate and withKey compute, where they were declared by field names and expressions. */
      readonly columns?: RecordAggregate
    }
  | WindowSpec
  | AsyncSpec
  | { readonly kind: 'coMap'; readonly functions: CoMapFunction<Value, Value, Value> }
  | { readonly kind: 'coFlatMap'; readonly functions: CoFlatMapFunction<Value, Value, Value> }
  | { readonly kind: 'coProcess'; readonly process: CoProcessFunction<Value, Value, Value> }
  | {
      readonly kind: 'keyedCoProcess'
      readonly process: KeyedCoProcessFunction<Key, Value, Value, Value>
      readonly secondKeySelector: KeySelector<Value, Key>
    }
  | IntervalJoinSpec
  | {
      readonly kind: 'broadcastProcess'
      readonly process: BroadcastProcessFunction<Value, Value, Value>
      readonly states: readonly BroadcastStateDescriptor[]
    }
  | {
      readonly kind: 'keyedBroadcastProcess'
      readonly process: KeyedBroadcastProcessFunction<Key, Value, Value, Value>
      readonly states: readonly BroadcastStateDescriptor[]
    }
  | { readonly kind: 'sink'; readonly sink: Sink<Value> }

/** A broadcast state, whose map keys have lost their type. */
export type BroadcastStateDescriptor = MapStateDescriptor<string | number | bigint | boolean, Value>

export type OperatorKind = OperatorSpec['kind']

/** Builds the emitted value from key and result, so that a running aggregate can name its key. */
export type WithKey = (key: Key, result: Value) => Value

export interface SourceSpec {
  readonly kind: 'source'
  readonly source: Source<Value>
  readonly watermarks: WatermarkSpecification<Value>
}

/** Pairs of records of one key, of which the right one's time is from `lowerBoundMs` to `upperBoundMs` after the left one's, both included. */
export interface IntervalJoinSpec {
  readonly kind: 'intervalJoin'
  readonly lowerBoundMs: number
  readonly upperBoundMs: number
  readonly process: ProcessJoinFunction<Value, Value, Value>
  readonly secondKeySelector: KeySelector<Value, Key>
  readonly leftType: DataType<Value>
  readonly rightType: DataType<Value>
  /** Records behind the watermark; undefined: counted and dropped. */
  readonly leftLateTag: OutputTag<Value> | undefined
  readonly rightLateTag: OutputTag<Value> | undefined
}

/**
 * Windows of a keyed stream. Event-time windows without trigger and evictor fire when the watermark passes end − 1, again
 * for each late record within the allowed lateness; they have operators of their own, everything else a general one.
 */
export interface WindowSpec {
  readonly kind: 'window'
  readonly assigner: WindowAssigner
  readonly allowedLatenessMs: number
  /** Left out: event time, the default of tumbling, sliding and session windows. */
  readonly trigger?: Trigger<Value> | undefined
  /** What is known of the trigger: it never fires, or by watermarks alone. Left out: by something else. */
  readonly fires?: 'never' | 'byWatermarks'
  /** With one, all records of a window are kept, whatever is computed of them. */
  readonly evictor?: Evictor<Value> | undefined
  /** Of a stream that is not keyed: all records have one key, and the parallelism is 1. */
  readonly ofAll?: boolean
  /** Records later than the allowed lateness; undefined: counted and dropped. */
  readonly lateTag: OutputTag<Value> | undefined
  readonly compute: WindowComputation
}

/** Window starts are at multiples of the step plus the offset; negative timestamps use floor modulo (R35). */
export type AlignedWindowAssigner =
  | { readonly kind: 'tumbling'; readonly sizeMs: number; readonly offsetMs: number }
  | { readonly kind: 'sliding'; readonly sizeMs: number; readonly slideMs: number; readonly offsetMs: number }

/** By event time, all of one length or gap: these have operators of their own. */
export type EventTimeWindowAssigner = AlignedWindowAssigner | { readonly kind: 'session'; readonly gapMs: number }

/** Which windows a record belongs to. */
export type WindowAssigner<T = Value> =
  | EventTimeWindowAssigner
  /** The same by the wall clock of the subtask when it gets the record. */
  | { readonly kind: 'processingTime'; readonly windows: EventTimeWindowAssigner }
  /** Sessions whose gap each record sets, in milliseconds. */
  | {
      readonly kind: 'dynamicSession'
      readonly timeDomain: 'event-time' | 'processing-time'
      readonly gapOf: (record: T) => number
    }
  /** One window a key, from −Infinity to Infinity. */
  | { readonly kind: 'global' }

/** Whether windows of a kind grow together. */
export function isMerging(assigner: WindowAssigner): boolean {
  if (assigner.kind === 'processingTime') return assigner.windows.kind === 'session'
  return assigner.kind === 'session' || assigner.kind === 'dynamicSession'
}

/** Whether windows of a kind end by event time: records can be late for them. Global windows have no end. */
export function isEventTime(assigner: WindowAssigner): boolean {
  if (assigner.kind === 'dynamicSession') return assigner.timeDomain === 'event-time'
  return assigner.kind !== 'processingTime' && assigner.kind !== 'global'
}

export type WindowComputation =
  | {
      readonly kind: 'reduce'
      readonly reduce: ReduceFunction<Value>
      readonly type: DataType<Value>
      readonly process: ProcessWindowFunction<Value, Value, Key> | undefined
    }
  | {
      readonly kind: 'aggregate'
      readonly aggregate: AggregateFunction<Value, Value, Value>
      /** Gets the one result; undefined: the result itself is emitted. */
      readonly process: ProcessWindowFunction<Value, Value, Key> | undefined
      /** What aggregate and process compute, where they were declared by field names and expressions. */
      readonly columns?: RecordAggregate
    }
  | {
      readonly kind: 'process'
      readonly type: DataType<Value>
      readonly process: ProcessWindowFunction<Value, Value, Key>
    }

/** Whether an operator keeps state in checkpoints, and so needs a stable uid (R38). A sink that promises nothing has none. */
export function isStateful(spec: OperatorSpec): boolean {
  switch (spec.kind) {
    case 'source':
    case 'keyedProcess':
    case 'reduce':
    case 'aggregate':
    case 'window':
    case 'process':
    case 'async':
    case 'coProcess':
    case 'keyedCoProcess':
    case 'intervalJoin':
    case 'broadcastProcess':
    case 'keyedBroadcastProcess':
      return true
    case 'sink':
      return spec.sink.deliveryGuarantee !== 'none'
    case 'map':
    case 'flatMap':
    case 'filter':
    case 'timestampsAndWatermarks':
    case 'coMap':
    case 'coFlatMap':
      return false
    default: {
      const never: never = spec
      throw new TypeError(`unknown operator ${String(never)}`)
    }
  }
}

/** The key selector of the second of two keyed inputs. */
export function secondKeySelectorOf(spec: OperatorSpec): KeySelector<Value, Key> | undefined {
  return 'secondKeySelector' in spec ? spec.secondKeySelector : undefined
}

/** Whether operators of a kind work on a keyed stream. */
export function isKeyed(spec: OperatorSpec): boolean {
  return keyedKinds.has(spec.kind)
}

const keyedKinds: ReadonlySet<OperatorKind> = new Set<OperatorKind>([
  'keyedProcess',
  'reduce',
  'aggregate',
  'window',
  'keyedCoProcess',
  'intervalJoin',
  'keyedBroadcastProcess',
])
