/// <reference types="node" preserve="true" />
// The public API: all that a job imports from 'millrace'. Kafka, files, formats and testing have entry points of their own.
export {
  type AggregateResult,
  type AverageAccumulator,
  avg,
  type CountAccumulator,
  count,
  type ExtremeAccumulator,
  type FieldAggregate,
  max,
  min,
  type NumberAggregate,
  type SumAccumulator,
  sum,
  type WithFields,
  type WithNumber,
} from './api/aggregates.ts'
export type { AllWindowedStream, WithAllWindowOptions } from './api/all-windowed-stream.ts'
export { AsyncDataStream, type AsyncOptions, type AsyncRetryOptions } from './api/async-data-stream.ts'
export type { AsyncContext, AsyncFunction } from './api/async-functions.ts'
export type {
  BroadcastContext,
  BroadcastProcessFunction,
  BroadcastState,
  BroadcastStateKey,
  KeyedBroadcastContext,
  KeyedBroadcastOnTimerContext,
  KeyedBroadcastProcessFunction,
  KeyedReadOnlyBroadcastContext,
  KeyedStateDescriptor,
  ReadOnlyBroadcastContext,
  ReadOnlyBroadcastState,
  StateOf,
} from './api/broadcast-functions.ts'
export type {
  BroadcastConnectedStream,
  BroadcastStream,
  KeyedBroadcastConnectedStream,
} from './api/broadcast-stream.ts'
export type {
  CoFlatMapFunction,
  CoGroupFunction,
  CoMapFunction,
  CoProcessFunction,
  FlatJoinFunction,
  JoinFunction,
  KeyedCoProcessFunction,
  ProcessJoinContext,
  ProcessJoinFunction,
} from './api/co-functions.ts'
export type {
  AggregateRecord,
  Aggregates,
  FieldOf,
  KeyOfField,
  KeyOfFields,
  Selected,
  Selection,
  WindowRecord,
} from './api/column-operators.ts'
export type { ConnectedStreams, KeyedConnectedStreams } from './api/connected-streams.ts'
export type { DataStream, SingleOutputStreamOperator } from './api/data-stream.ts'
export type { DataStreamSink } from './api/data-stream-sink.ts'
export type { DeadLetter, DeadLetterBudget, DeadLetterOptions } from './api/dead-letters.ts'
export {
  aggregatingStateDescriptor,
  listStateDescriptor,
  mapStateDescriptor,
  operatorListStateDescriptor,
  outputTag,
  reducingStateDescriptor,
  valueStateDescriptor,
} from './api/descriptors.ts'
export type {
  CheckpointingOptions,
  CollectionOptions,
  JobSettings,
  SourceOptions,
  StreamExecutionEnvironment,
} from './api/environment.ts'
export {
  CountEvictor,
  DeltaEvictor,
  type Evictor,
  type EvictorContext,
  type EvictorOptions,
  TimeEvictor,
  type TimestampedValue,
} from './api/evictors.ts'
export {
  type Condition,
  col,
  type Expression,
  type FieldValue,
  lit,
  type Operand,
  type ValueOf,
} from './api/expressions.ts'
export type { ByOptions, Comparable, FieldsOfType, Summable } from './api/field-aggregates.ts'
export type {
  AggregateFunction,
  Collector,
  FilterFunction,
  FlatMapFunction,
  Key,
  KeyedProcessContext,
  KeyedProcessFunction,
  KeyedRuntimeContext,
  KeyedStateStore,
  KeySelector,
  MapFunction,
  OnTimerContext,
  OutputTag,
  ProcessAllWindowFunction,
  ProcessContext,
  ProcessFunction,
  ProcessWindowContext,
  ProcessWindowFunction,
  ReduceFunction,
  RuntimeContext,
  TimerService,
  TimeWindow,
} from './api/functions.ts'
export type { IntervalJoin, IntervalJoined } from './api/interval-join.ts'
export { type JobBuilder, type JobDefinition, job } from './api/job.ts'
export type {
  CoGroupEqualTo,
  CoGroupedStreams,
  CoGroupWhere,
  JoinEqualTo,
  JoinedStreams,
  JoinWhere,
  TaggedRecord,
  WindowedCoGroup,
  WindowedJoin,
} from './api/joined-streams.ts'
export type { KeyedStream, WithKeyOptions } from './api/keyed-stream.ts'
export type { RecordOf } from './api/record-of.ts'
export { RestartStrategies, type RestartStrategy } from './api/restart-strategies.ts'
export type {
  Committable,
  DeliveryGuarantee,
  RecordColumn,
  RecordColumns,
  Sink,
  SinkWriter,
  SinkWriterContext,
} from './api/sink.ts'
export type {
  PollResult,
  Source,
  SourceDescription,
  SourceOutput,
  SourceReader,
  SourceReaderContext,
  SourceRecord,
  SourceSplit,
  UndecodedRecord,
  ValueRanges,
} from './api/source.ts'
export type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  OperatorListState,
  OperatorListStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  Stored,
  ValueState,
  ValueStateDescriptor,
} from './api/state.ts'
export type { IncrementalCleanup, StateOptions, StateTtlConfig } from './api/state-ttl.ts'
export {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeTrigger,
  NeverTrigger,
  type OnMergeContext,
  ProcessingTimeTrigger,
  PurgingTrigger,
  type Trigger,
  type TriggerContext,
  type TriggerResult,
} from './api/triggers.ts'
export { WatermarkStrategy } from './api/watermark-strategy.ts'
export type { WatermarkGenerator, WatermarkOutput } from './api/watermarks.ts'
export type { WindowedStream, WindowFunction, WithWindowOptions } from './api/windowed-stream.ts'
export {
  EventTimeSessionWindows,
  type EventTimeWindowAssigner,
  GlobalWindows,
  ProcessingTimeSessionWindows,
  SlidingEventTimeWindows,
  SlidingProcessingTimeWindows,
  TumblingEventTimeWindows,
  TumblingProcessingTimeWindows,
  type WindowAssigner,
} from './api/windows.ts'
export type { Duration } from './common/duration.ts'
export { type ErrorCode, isMillraceError, MillraceError } from './common/errors.ts'
export type { JsonValue } from './common/json.ts'
export type { Clock, Timer } from './common/ports.ts'
export { noTimestamp } from './common/timestamps.ts'
export { type DatagenOptions, datagen } from './connectors/datagen/datagen-source.ts'
export type { DataType } from './formats/data-type.ts'
