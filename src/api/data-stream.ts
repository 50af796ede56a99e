import { PrintSink } from '../connectors/print/print-sink.ts'
import type { DataType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import { untyped } from '../formats/types.ts'
import type { OperatorSpec, WindowAssigner } from '../graph/operator-spec.ts'
import type { Partitioner, StreamNode } from '../graph/stream-graph.ts'
import { AllWindowedStream, type NoKey } from './all-windowed-stream.ts'
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
import { DataStreamSink } from './data-stream-sink.ts'
import type { DeadLetter, DeadLetterOptions } from './dead-letters.ts'
import {
  declaredBudget,
  declaredInteger,
  declaredProcessFunction,
  declaredSynchronousFunction,
  declaredText,
  definitionError,
} from './declaration.ts'
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
import { countWindows, type KeyedInput, KeyedStream, windowSettings } from './keyed-stream.ts'
import type { Sink } from './sink.ts'
import type { StreamEnd, StreamGraphBuilder } from './stream-graph-builder.ts'
import type { WatermarkStrategy } from './watermark-strategy.ts'
import { WindowedStream } from './windowed-stream.ts'
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
    return this.#add({ kind: 'filter', filter: filter as FilterFunction<unknown> }, 'Filter', this.#type())
  }

  /**
   * The records for which an expression is true.
   * @throws MillraceError MR_JOB_DEFINITION where a field is not there or of another type than the expression needs
   */
  where(expression: Expression<FieldOf<T>, unknown, string>): SingleOutputStreamOperator<T> {
    const { spec, outputType } = whereOperator(expression, this.#type())
    return this.#add(spec, 'Where', outputType)
  }

  /**
   * Records of some fields, and of new ones: `select('user', { total: col('price').times(col('pieces')) })`.
   * @throws MillraceError MR_JOB_DEFINITION where a field is not there, of a wrong type, or named twice
   */
  select<const Selections extends readonly Selection<T>[]>(
    ...selections: Selections
  ): SingleOutputStreamOperator<Selected<T, Selections>> {
    const { spec, outputType } = selectOperator(selections, this.#type())
    return this.#add(spec, 'Select', outputType)
  }

  /**
   * A function with time, side outputs and operator state. The type of its results is given, or inferred from an
   * annotated collector.
   * @example
   * ```ts
   * import { job, outputTag, type Sink } from 'millrace'
   *
   * declare const sink: Sink<number>
   * declare const errors: Sink<string>
   * export default job('numbers', (env) => {
   *   const broken = outputTag<string>('broken')
   *   const numbers = env.fromCollection(['1', 'two', '3']).process<number>({
   *     processElement(text, context, out) {
   *       const value = Number(text)
   *       if (Number.isNaN(value)) context.output(broken, text)
   *       else out.collect(value)
   *     },
   *   })
   *   numbers.sinkTo(sink)
   *   numbers.getSideOutput(broken).sinkTo(errors)
   * })
   * ```
   */
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
  keyBy(...keys: readonly unknown[]): KeyedStream<T, never, never> {
    const keyFields = typeof keys[0] === 'string' ? (keys as readonly string[]) : undefined
    if (keyFields === undefined) declaredSynchronousFunction(keys[0], 'keyBy', 'the key selector')
    const selector =
      keyFields === undefined ? (keys[0] as KeySelector<unknown, Key>) : fieldKeySelector(keyFields, this.#type())
    return new KeyedStream(this.#keyed(selector, keyFields))
  }

  /** Collects all records in windows, in one subtask. Where there is a key, `keyBy` and `window` share the work. */
  windowAll(assigner: WindowAssigner<T>): AllWindowedStream<T> {
    return new AllWindowedStream(this.#allWindows(assigner))
  }

  /**
   * Windows of a number of records, in one subtask. At the end of a bounded input those that are not full give no result.
   * @param size how many records a window has, 1 at least
   * @param slide gives a result after this many records, over the last `size` of them; left out, each record is in one
   * @throws MillraceError MR_JOB_DEFINITION where a number is not whole, or below 1
   */
  countWindowAll(size: number, slide?: number): AllWindowedStream<T> {
    return new AllWindowedStream(countWindows(this.#allWindows(GlobalWindows.create()), size, slide))
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

  /** Sends every record to every subtask of what reads this stream. */
  broadcast(): DataStream<T> {
    return new DataStream(this.#builder, this.#partitioned({ kind: 'broadcast' }))
  }

  /** Gives records timestamps and the stream watermarks, in place of those that it had. */
  assignTimestampsAndWatermarks(strategy: WatermarkStrategy<T>): SingleOutputStreamOperator<T> {
    const watermarks = (strategy as WatermarkStrategy<unknown>).specification
    return this.#add({ kind: 'timestampsAndWatermarks', watermarks }, 'Timestamps/Watermarks', this.#type())
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
    const node = this.#builder.add({ spec, name, outputType }, this.#ends)
    return new SingleOutputStreamOperator<Out>(this.#builder, node)
  }

  #keyed(keySelector: KeySelector<unknown, Key>, keyFields: readonly string[] | undefined): KeyedInput {
    const named = keyFields === undefined ? {} : { keyFields }
    const ends = this.#partitioned({ kind: 'hash', keySelector, ...named })
    return {
      type: () => this.#type(),
      keyFields,
      add: (spec, name, outputType) =>
        new SingleOutputStreamOperator(this.#builder, this.#builder.add({ spec, name, outputType, keySelector }, ends)),
    }
  }

  #allWindows(assigner: WindowAssigner<T>): WindowedStream<T, NoKey> {
    const { type, add } = this.#keyed(() => 0, undefined)
    const input: KeyedInput = {
      type,
      keyFields: undefined,
      add: <Out>(spec: OperatorSpec, name: string, outputType: DataType<unknown>) =>
        add<Out>(spec, name, outputType).setParallelism(1),
    }
    return new WindowedStream(input, { ...windowSettings(assigner), ofAll: true })
  }

  #partitioned(partitioner: Partitioner): readonly StreamEnd[] {
    return this.#ends.map((end) => ({ ...end, partitioner }))
  }

  /** The declared type, where all united streams have the same. */
  #type(): DataType<unknown> {
    const [first, ...rest] = this.#ends
    if (first === undefined) return untyped()
    const type = this.#builder.typeOf(first)
    const text = typeText(type)
    return rest.every((end) => typeText(this.#builder.typeOf(end)) === text) ? type : untyped()
  }
}

/** The type of a stream's records. */
export type RecordOf<Stream> = Stream extends DataStream<infer T> ? T : never

/** The stream of one operator's results; has the operator's settings besides. */
export class SingleOutputStreamOperator<T> extends DataStream<T> {
  readonly #builder: StreamGraphBuilder
  readonly #id: number

  /** @internal Streams come from the environment and from other streams. */
  constructor(builder: StreamGraphBuilder, node: StreamNode) {
    super(builder, [{ node: node.id, partitioner: { kind: 'forward' }, sideOutput: undefined }])
    this.#builder = builder
    this.#id = node.id
  }

  /** The name in plans, metrics and messages. */
  name(name: string): this {
    const node = this.#builder.node(this.#id)
    this.#builder.change(this.#id, { name: declaredText(name, node.name, 'the name') })
    return this
  }

  /**
   * The id by which the operator's state is found again in checkpoints, whatever else changes in the job. Left out, it
   * is derived from kind and name.
   */
  uid(uid: string): this {
    const node = this.#builder.node(this.#id)
    this.#builder.change(this.#id, { uid: declaredText(uid, node.name, 'the uid') })
    return this
  }

  /** How many subtasks the operator has; default: the job's. */
  setParallelism(parallelism: number): this {
    const node = this.#builder.node(this.#id)
    this.#builder.change(this.#id, { parallelism: declaredInteger(parallelism, node.name, 'the parallelism', 1) })
    return this
  }

  /** The number of key groups, and so the highest parallelism the operator can ever have; default: the job's. */
  setMaxParallelism(maxParallelism: number): this {
    const node = this.#builder.node(this.#id)
    const checked = declaredInteger(maxParallelism, node.name, 'the max parallelism', 1)
    this.#builder.change(this.#id, { maxParallelism: checked })
    return this
  }

  /** Does not chain the operator to what is before it. */
  startNewChain(): this {
    this.#builder.change(this.#id, { chaining: 'head' })
    return this
  }

  /** Chains the operator to nothing, neither before nor after it. */
  disableChaining(): this {
    this.#builder.change(this.#id, { chaining: 'never' })
    return this
  }

  /**
   * Records that the operator's functions or types refuse go to this side output as dead letters, instead of failing the
   * job: read it by `getSideOutput`. Failures of the engine still fail the job.
   *
   * Of such a record the operator emits nothing. What its functions have changed in state before they threw stays changed,
   * and so does what a timer or window had emitted. Of a source: records that can not be decoded, or get no timestamp.
   * @throws MillraceError MR_JOB_DEFINITION where the budget is out of range
   * @example
   * ```ts
   * import { type DeadLetter, job, outputTag, type Sink } from 'millrace'
   *
   * declare const sink: Sink<unknown>
   * declare const broken: Sink<DeadLetter>
   * export default job('parsed', (env) => {
   *   const refused = outputTag<DeadLetter>('refused')
   *   const parsed = env
   *     .fromCollection(['{"id":1}', 'no JSON'])
   *     .map((text): unknown => JSON.parse(text))
   *     .deadLetters(refused, { budget: { share: 0.01, of: 10_000 } })
   *   parsed.sinkTo(sink)
   *   parsed.getSideOutput(refused).sinkTo(broken)
   * })
   * ```
   */
  deadLetters(tag: OutputTag<DeadLetter>, options: DeadLetterOptions = {}): this {
    const { name } = this.#builder.node(this.#id)
    this.#builder.change(this.#id, { deadLetters: { tag, budget: declaredBudget(options.budget, name) } })
    return this
  }

  /**
   * Declares the type of the results: between slots they travel as columns, and state of them is checked.
   * @throws MillraceError MR_JOB_DEFINITION where something reads the stream already
   */
  returns(type: DataType<T>): this {
    const node = this.#builder.node(this.#id)
    if (this.#builder.isRead(this.#id)) {
      throw definitionError(node.name, 'returns(…) has to come before the stream is used', node.declaredAt)
    }
    this.#builder.change(this.#id, { outputType: type })
    return this
  }

  /** What the operator's function wrote to a side output; also late records of windows, and dead letters. */
  getSideOutput<Side>(tag: OutputTag<Side>): DataStream<Side> {
    return new DataStream<Side>(this.#builder, [{ node: this.#id, partitioner: { kind: 'forward' }, sideOutput: tag }])
  }
}
