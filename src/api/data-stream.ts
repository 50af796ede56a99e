import { PrintSink } from '../connectors/print/print-sink.ts'
import type { DataType } from '../formats/data-type.ts'
import { untyped } from '../formats/types.ts'
import type { BroadcastStateDescriptor, OperatorSpec, WindowAssigner } from '../graph/operator-spec.ts'
import type { Partitioner, StreamNode } from '../graph/stream-graph.ts'
import { AllWindowedStream } from './all-windowed-stream.ts'
import { BroadcastConnectedStream, BroadcastStream } from './broadcast-stream.ts'
import {
  type FieldOf,
  fieldKeySelector,
  type KeyOfField,
  type KeyOfFields,
  type Selected,
  type Selection,
  selectOperator,
  whereOperator,
} from './column-operators.ts'
import { ConnectedStreams } from './connected-streams.ts'
import { customPartitioner } from './custom-partitioner.ts'
import { DataStreamSink } from './data-stream-sink.ts'
import type { DeadLetter, DeadLetterOptions } from './dead-letters.ts'
import { declaredProcessFunction, declaredSynchronousFunction, definitionError } from './declaration.ts'
import type { Expression } from './expressions.ts'
import type {
  FilterFunction,
  FlatMapFunction,
  Key,
  KeySelector,
  MapFunction,
  OutputTag,
  ProcessFunction,
} from './functions.ts'
import { CoGroupedStreams, JoinedStreams } from './joined-streams.ts'
import { allWindows, countWindows, type KeyedInput, KeyedStream } from './keyed-stream.ts'
import { OperatorSettings } from './operator-settings.ts'
import type { RecordOf } from './record-of.ts'
import type { Sink } from './sink.ts'
import type { StreamEnd, StreamGraphBuilder } from './stream-graph-builder.ts'
import type { StreamInput } from './stream-input.ts'
import type { WatermarkStrategy } from './watermark-strategy.ts'
import { GlobalWindows } from './windows.ts'

/**
 * A stream of records of one type. Each method declares one operator and gives the stream of its results; the stream
 * itself stays as it is and may be read several times.
 *
 * Records must not be changed after they are emitted: operators of one slot hand over references.
 */
export class DataStream<T> {
  readonly #builder: StreamGraphBuilder
  readonly #ends: readonly StreamEnd[]

  /** @internal Streams come from the environment and from other streams. */
  constructor(builder: StreamGraphBuilder, ends: readonly StreamEnd[]) {
    this.#builder = builder
    this.#ends = ends
  }

  /** One record for each. */
  map<Out>(map: MapFunction<T, Out>): SingleOutputStreamOperator<Out> {
    declaredSynchronousFunction(map, 'map', 'the function')
    return this.#add({ kind: 'map', map: map as MapFunction<unknown, unknown> }, 'Map')
  }

  /** Any number of records for each: what the function returns is iterated. */
  flatMap<Out>(flatMap: FlatMapFunction<T, Out>): SingleOutputStreamOperator<Out> {
    declaredSynchronousFunction(flatMap, 'flatMap', 'the function')
    return this.#add({ kind: 'flatMap', flatMap: flatMap as FlatMapFunction<unknown, unknown> }, 'Flat Map')
  }

  /** The records for which the predicate holds. A type predicate narrows the type. */
  filter<Narrowed extends T>(filter: (value: T) => value is Narrowed): SingleOutputStreamOperator<Narrowed>
  filter(filter: FilterFunction<T>): SingleOutputStreamOperator<T>
  filter(filter: FilterFunction<T>): SingleOutputStreamOperator<T> {
    declaredSynchronousFunction(filter, 'filter', 'the predicate')
    return this.#add(
      { kind: 'filter', filter: filter as FilterFunction<unknown> },
      'Filter',
      this.#builder.typeOfAll(this.#ends),
    )
  }

  /**
   * The records for which an expression is true.
   * @throws MillraceError MR_JOB_DEFINITION where a field is not there or of another type than the expression needs
   */
  where(expression: Expression<FieldOf<T>, unknown, string>): SingleOutputStreamOperator<T> {
    const { spec, outputType } = whereOperator(expression, this.#builder.typeOfAll(this.#ends))
    return this.#add(spec, 'Where', outputType)
  }

  /**
   * Records of some fields, and of new ones: `select('user', { total: col('price').times(col('pieces')) })`.
   * @throws MillraceError MR_JOB_DEFINITION where a field is not there, of a wrong type, or named twice
   */
  select<const Selections extends readonly Selection<T>[]>(
    ...selections: Selections
  ): SingleOutputStreamOperator<Selected<T, Selections>> {
    const { spec, outputType } = selectOperator(selections, this.#builder.typeOfAll(this.#ends))
    return this.#add(spec, 'Select', outputType)
  }

  /** A function with time, side outputs and operator state. The type of its results is given, or that of its collector. */
  process<Out>(process: ProcessFunction<T, Out>): SingleOutputStreamOperator<Out> {
    declaredProcessFunction(process, 'process')
    return this.#add({ kind: 'process', process: process as ProcessFunction<unknown, unknown> }, 'Process')
  }

  /**
   * Partitions by key: records of a key go to one subtask, and keyed state, timers and windows belong to a key. Keys are
   * strings, finite numbers, bigints, booleans, bytes, or tuples of them.
   * @param keySelector gives the key of a record, or the name of a field is given; of several fields the key is a tuple
   */
  keyBy<const K extends Key>(keySelector: KeySelector<T, K>): KeyedStream<T, K>
  keyBy<Field extends FieldOf<T>>(field: Field): KeyedStream<T, KeyOfField<T, Field>, Field>
  keyBy<const Fields extends readonly [FieldOf<T>, FieldOf<T>, ...FieldOf<T>[]]>(
    ...fields: Fields
  ): KeyedStream<T, KeyOfFields<T, Fields>, Fields[number]>
  keyBy(...keys: readonly unknown[]): unknown {
    const keyFields = typeof keys[0] === 'string' ? (keys as readonly string[]) : undefined
    if (keyFields === undefined) declaredSynchronousFunction(keys[0], 'keyBy', 'the key selector')
    const selector =
      keyFields === undefined
        ? (keys[0] as KeySelector<unknown, Key>)
        : fieldKeySelector(keyFields, this.#builder.typeOfAll(this.#ends))
    return new KeyedStream(this.#keyed(selector, keyFields))
  }

  /** Collects all records in windows, in one subtask. Where there is a key, `keyBy` and `window` share the work. */
  windowAll(assigner: WindowAssigner<T>): AllWindowedStream<T> {
    return new AllWindowedStream(
      allWindows(
        this.#keyed(() => 0, undefined),
        assigner,
      ),
    )
  }

  /**
   * Windows of a number of records, in one subtask. At the end of a bounded input those that are not full give no result.
   * @param size how many records a window has, 1 at least
   * @param slide gives a result after this many records, over the last `size` of them; left out, each record is in one
   * @throws MillraceError MR_JOB_DEFINITION where a number is not whole, or below 1
   */
  countWindowAll(size: number, slide?: number): AllWindowedStream<T> {
    return new AllWindowedStream(countWindows(allWindows<T>(this.#keyed(oneKey), GlobalWindows.create()), size, slide))
  }

  /** @internal */
  get input(): StreamInput {
    return this.#inputOf(this.#ends)
  }

  /** One operator reads this stream and another, which may be of another type, or a broadcast one. */
  connect<Second>(other: DataStream<Second>): ConnectedStreams<T, Second>
  connect<Broadcast>(other: BroadcastStream<Broadcast>): BroadcastConnectedStream<T, Broadcast>
  connect(other: DataStream<unknown> | BroadcastStream<unknown>): unknown {
    if (other instanceof BroadcastStream) return new BroadcastConnectedStream(this.input, other)
    return new ConnectedStreams(this, other)
  }

  /** Pairs of records of this and another stream that have the same key and are in the same window. */
  join<Right>(right: DataStream<Right>): JoinedStreams<T, Right> {
    return new JoinedStreams(this, right)
  }

  /** As `join`, with all records of a key and window at once. */
  coGroup<Right>(right: DataStream<Right>): CoGroupedStreams<T, Right> {
    return new CoGroupedStreams(this, right)
  }

  /**
   * The records of this and other streams, in no order between them; the watermark is the lowest of all.
   * @throws MillraceError MR_JOB_DEFINITION where there is no other stream, or one of another job
   */
  union<Others extends readonly DataStream<unknown>[]>(...others: Others): DataStream<T | RecordOf<Others[number]>> {
    if (others.length === 0) throw definitionError('union', 'there is no other stream to unite with')
    if (others.some((other) => other.#builder !== this.#builder)) {
      throw definitionError('union', 'a stream of another job can not be united with')
    }
    return new DataStream(this.#builder, [...this.#ends, ...others.flatMap((other) => other.#ends)])
  }

  /** Deals records out evenly over the subtasks of what reads this stream. */
  rebalance(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'rebalance' }))
  }

  /** As `rebalance`, but each subtask deals out among a group of its own: nothing goes to the others. */
  rescale(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'rescale' }))
  }

  /** Sends each record to a subtask at random. After a restart it may be another one. */
  shuffle(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'shuffle' }))
  }

  /** Sends all records to the first subtask of what reads this stream. */
  global(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'global' }))
  }

  /** Leaves each record in its subtask: what reads this stream has to have the same parallelism. */
  forward(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'forward', required: true }))
  }

  /**
   * Sends each record to the subtask that a function of its key names.
   * @param partition gets the key and the number of subtasks, and gives the number of one, from 0
   */
  partitionCustom<K extends Key>(
    partition: (key: K, numberOfPartitions: number) => number,
    keySelector: KeySelector<T, K>,
  ): DataStream<T> {
    const partitioner = customPartitioner(partition, keySelector)
    return new DataStream(this.#builder, this.#partitioned(partitioner))
  }

  /** Sends every record to every subtask of what reads this stream. */
  broadcast(): DataStream<T>
  /**
   * Sends every record to every subtask of the operator that the stream is connected to, which keeps broadcast state of
   * them: `mapStateDescriptor`s name it.
   */
  broadcast(...states: readonly BroadcastStateDescriptor[]): BroadcastStream<T>
  broadcast(...states: readonly BroadcastStateDescriptor[]): DataStream<T> | BroadcastStream<T> {
    const stream = new DataStream<T>(this.#builder, this.#partitioned({ kind: 'broadcast' }))
    return states.length === 0 ? stream : new BroadcastStream<T>(stream.input, states)
  }

  /** Gives records timestamps and the stream watermarks, in place of those that it had. */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): SingleOutputStreamOperator<T> {
    const watermarks = (strategy as WatermarkStrategy<unknown>).specification
    return this.#add(
      { kind: 'timestampsAndWatermarks', watermarks },
      'Timestamps/Watermarks',
      this.#builder.typeOfAll(this.#ends),
    )
  }

  /**
   * Ends the stream in a sink.
   * @param name of the operator; default the connector's. Two sinks of one job need different names or uids
   */
  sinkTo(sink: Sink<T>, name?: string): DataStreamSink {
    declaredSynchronousFunction(sink?.createWriter, 'sinkTo', 'createWriter of the sink')
    const spec: OperatorSpec = { kind: 'sink', sink: sink as Sink<unknown> }
    const declaration = { spec, name: name ?? sink.connector, outputType: untyped<unknown>() }
    const node = this.#builder.add(declaration, this.#ends)
    return new DataStreamSink(new SingleOutputStreamOperator<never>(this.#builder, node))
  }

  /**
   * Prints each record on standard output, as text or JSON.
   * @param prefix starts each line, and names the operator where there are several prints
   */
  print(prefix = ''): DataStreamSink {
    return this.sinkTo(new PrintSink<T>(prefix), prefix === '' ? 'Print' : prefix)
  }

  /** @internal One operator that reads this stream, for declarations that stand outside of this class. */
  declareOperator<Out>(
    spec: OperatorSpec,
    name: string,
    outputType: DataType<unknown>,
  ): SingleOutputStreamOperator<Out> {
    return this.#add(spec, name, outputType)
  }

  #add<Out>(
    spec: OperatorSpec,
    name: string,
    outputType: DataType<unknown> = untyped(),
  ): SingleOutputStreamOperator<Out> {
    return this.input.add<Out>(spec, name, outputType)
  }

  #keyed(keySelector: KeySelector<unknown, Key>, keyFields?: readonly string[]): KeyedInput {
    const named = keyFields === undefined ? {} : { keyFields }
    return this.#inputOf(this.#partitioned({ kind: 'hash', keySelector, ...named }), { keySelector, keyFields })
  }

  #inputOf(ends: readonly StreamEnd[], key?: Pick<StreamInput, 'keySelector' | 'keyFields'>): StreamInput {
    const builder = this.#builder
    const keySelector = key?.keySelector
    const keyed = keySelector === undefined ? {} : { keySelector }
    return {
      builder,
      ends,
      keySelector,
      keyFields: key?.keyFields,
      type: () => builder.typeOfAll(ends),
      add: (spec, name, outputType) =>
        new SingleOutputStreamOperator(builder, builder.add({ spec, name, outputType, ...keyed }, ends)),
      addWith: (second, spec, name) => {
        const declaration = { spec, name, outputType: untyped<unknown>(), ...keyed }
        return new SingleOutputStreamOperator(builder, builder.add(declaration, ends, second.ends))
      },
    }
  }

  #partitioned(partitioner: Partitioner): readonly StreamEnd[] {
    return this.#ends.map((end) => ({ ...end, partitioner }))
  }
}

/** Of windows over all records. */
const oneKey = (): Key => 0

/** The stream of one operator's results; has the operator's settings besides. */
export class SingleOutputStreamOperator<T> extends DataStream<T> {
  readonly #builder: StreamGraphBuilder
  readonly #id: number
  readonly #settings: OperatorSettings

  /** @internal Streams come from the environment and from other streams. */
  constructor(builder: StreamGraphBuilder, node: StreamNode) {
    super(builder, [{ node: node.id, partitioner: { kind: 'forward' }, sideOutput: undefined }])
    this.#builder = builder
    this.#id = node.id
    this.#settings = new OperatorSettings(builder, node.id)
  }

  /** The name in plans, metrics and messages. */
  name(name: string): this {
    this.#settings.name(name)
    return this
  }

  /**
   * The id by which the operator's state is found again in checkpoints, whatever else changes in the job. Left out, it
   * is derived from kind and name.
   */
  uid(uid: string): this {
    this.#settings.uid(uid)
    return this
  }

  /** How many subtasks the operator has; default: the job's. */
  setParallelism(parallelism: number): this {
    this.#settings.parallelism(parallelism)
    return this
  }

  /** The number of key groups, and so the highest parallelism the operator can ever have; default: the job's. */
  setMaxParallelism(maxParallelism: number): this {
    this.#settings.maxParallelism(maxParallelism)
    return this
  }

  /**
   * Keeps the operator's subtasks, and those of what reads it, in slots of their own: slots take subtasks of one group
   * only. Operators without a group are in that of their inputs, or in `default`.
   */
  slotSharingGroup(name: string): this {
    this.#settings.slotSharingGroup(name)
    return this
  }

  /** Does not chain the operator to what is before it. */
  startNewChain(): this {
    this.#settings.chaining('head')
    return this
  }

  /** Chains the operator to nothing, neither before nor after it. */
  disableChaining(): this {
    this.#settings.chaining('never')
    return this
  }

  /**
   * Records that the operator's functions or types refuse go to this side output as dead letters, instead of failing the
   * job: read it by `getSideOutput`. Failures of the engine still fail the job.
   *
   * Of such a record the operator emits nothing. What its functions have changed in state before they threw stays changed,
   * and so does what a timer or window had emitted. Of a source: records that can not be decoded, or get no timestamp.
   * @throws MillraceError MR_JOB_DEFINITION where the budget is out of range
   */
  deadLetters(tag: OutputTag<DeadLetter>, options: DeadLetterOptions = {}): this {
    this.#settings.deadLetters(tag, options)
    return this
  }

  /**
   * Declares the type of the results: between slots they travel as columns, and state of them is checked.
   * @throws MillraceError MR_JOB_DEFINITION where something reads the stream already
   */
  returns(type: DataType<T>): this {
    this.#settings.outputType(type)
    return this
  }

  /** What the operator's function wrote to a side output; also late records of windows, and dead letters. */
  getSideOutput<Side>(tag: OutputTag<Side>): DataStream<Side> {
    return new DataStream<Side>(this.#builder, [{ node: this.#id, partitioner: { kind: 'forward' }, sideOutput: tag }])
  }
}
