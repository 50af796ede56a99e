import type { Duration } from '../common/duration.ts'
import type { DataType, DeclaredType } from '../formats/data-type.ts'
import { boolean, nullable, record, untyped } from '../formats/types.ts'
import type { CoGroupFunction, FlatJoinFunction, JoinFunction } from './co-functions.ts'
import type { DataStream, SingleOutputStreamOperator } from './data-stream.ts'
import { declaredFunctions, declaredSynchronousFunction } from './declaration.ts'
import type { Evictor } from './evictors.ts'
import type { Key, KeySelector } from './functions.ts'
import type { Trigger } from './triggers.ts'
import type { WindowedStream } from './windowed-stream.ts'
import type { WindowAssigner } from './windows.ts'

/** A record of either stream on its way to the window that both share: the one of `left` and `right` that is none is null. */
export interface TaggedRecord<Left, Right> {
  readonly isLeft: boolean
  readonly left: Left | null
  readonly right: Right | null
}

/** Two streams that are to be joined. Made by `join`. */
export class JoinedStreams<Left, Right> {
  readonly #streams: Pair<Left, Right>

  /** @internal Comes from `join`. */
  constructor(left: DataStream<Left>, right: DataStream<Right>) {
    this.#streams = { left, right }
  }

  /** The key of the left stream. */
  where<const K extends Key>(keySelector: KeySelector<Left, K>): JoinWhere<Left, Right, K> {
    declaredSynchronousFunction(keySelector, 'where', 'the key selector')
    return new JoinWhere(this.#streams, keySelector)
  }
}

/** A join that lacks the right stream's key. */
export class JoinWhere<Left, Right, K extends Key> {
  readonly #streams: Pair<Left, Right>
  readonly #leftKey: ErasedKeySelector<K>

  /** @internal Comes from `where`. */
  constructor(streams: Pair<Left, Right>, leftKey: ErasedKeySelector<K>) {
    this.#streams = streams
    this.#leftKey = leftKey
  }

  /** The key of the right stream. */
  equalTo(keySelector: KeySelector<Right, K>): JoinEqualTo<Left, Right, K> {
    declaredSynchronousFunction(keySelector, 'equalTo', 'the key selector')
    return new JoinEqualTo({ ...this.#streams, leftKey: this.#leftKey, rightKey: keySelector })
  }
}

/** A join that lacks its windows. */
export class JoinEqualTo<Left, Right, K extends Key> {
  readonly #streams: KeyedPair<Left, Right, K>

  /** @internal Comes from `equalTo`. */
  constructor(streams: KeyedPair<Left, Right, K>) {
    this.#streams = streams
  }

  /** Records are joined within windows. */
  window(assigner: WindowAssigner): WindowedJoin<Left, Right, K> {
    return new WindowedJoin(windowed(this.#streams, assigner))
  }
}

/**
 * A window join: for each key and window every pair of a left and a right record. What it emits carries the window's last
 * millisecond, end − 1.
 */
export class WindowedJoin<Left, Right, K extends Key> {
  readonly #windows: WindowedStream<TaggedRecord<Left, Right>, K>

  /** @internal Comes from `window`. */
  constructor(windows: WindowedStream<TaggedRecord<Left, Right>, K>) {
    this.#windows = windows
  }

  /** When windows give their results, in place of what is usual for them. */
  trigger(trigger: Trigger<unknown>): WindowedJoin<Left, Right, K> {
    return new WindowedJoin(this.#windows.trigger(trigger))
  }

  /** Removes records of a window when it fires; it sees those of both streams, in the order in which they came. */
  evictor(evictor: Evictor<TaggedRecord<Left, Right>>): WindowedJoin<Left, Right, K> {
    return new WindowedJoin(this.#windows.evictor(evictor))
  }

  /** As of windows: a late record within it lets all pairs of its window be emitted again. */
  allowedLateness(lateness: Duration): WindowedJoin<Left, Right, K> {
    return new WindowedJoin(this.#windows.allowedLateness(lateness))
  }

  /**
   * What is made of each pair: a function that gives one record, or an object with `join` that emits any number.
   * @example
   * ```ts
   * import { job, type Sink, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
   *
   * declare const sink: Sink<string>
   * export default job('orders-with-payments', (env) => {
   *   const inOrder = WatermarkStrategy.forMonotonousTimestamps()
   *   const strategy = inOrder.withTimestamps((event: { at: number }) => event.at)
   *   const orders = env.fromCollection([{ id: 'a', at: 1 }]).name('orders').assignTimestampsAndWatermarks(strategy)
   *   const payments = env.fromCollection([{ id: 'a', at: 2 }]).name('payments').assignTimestampsAndWatermarks(strategy)
   *   orders
   *     .join(payments)
   *     .where((order) => order.id)
   *     .equalTo((payment) => payment.id)
   *     .window(TumblingEventTimeWindows.of('1min'))
   *     .apply((order, payment) => `${order.id} paid after ${payment.at - order.at} ms`)
   *     .sinkTo(sink)
   * })
   * ```
   */
  apply<Out>(
    join: JoinFunction<Left, Right, Out> | FlatJoinFunction<Left, Right, Out>,
  ): SingleOutputStreamOperator<Out> {
    const flat = flatJoinOf(join)
    return coGrouped(this.#windows, 'Window Join', {
      coGroup(lefts, rights, out) {
        for (const left of lefts) for (const right of rights) flat.join(left, right, out)
      },
    })
  }
}

/** Two streams that are to be grouped together. Made by `coGroup`. */
export class CoGroupedStreams<Left, Right> {
  readonly #streams: Pair<Left, Right>

  /** @internal Comes from `coGroup`. */
  constructor(left: DataStream<Left>, right: DataStream<Right>) {
    this.#streams = { left, right }
  }

  /** The key of the left stream. */
  where<const K extends Key>(keySelector: KeySelector<Left, K>): CoGroupWhere<Left, Right, K> {
    declaredSynchronousFunction(keySelector, 'where', 'the key selector')
    return new CoGroupWhere(this.#streams, keySelector)
  }
}

/** A coGroup that lacks the right stream's key. */
export class CoGroupWhere<Left, Right, K extends Key> {
  readonly #streams: Pair<Left, Right>
  readonly #leftKey: ErasedKeySelector<K>

  /** @internal Comes from `where`. */
  constructor(streams: Pair<Left, Right>, leftKey: ErasedKeySelector<K>) {
    this.#streams = streams
    this.#leftKey = leftKey
  }

  /** The key of the right stream. */
  equalTo(keySelector: KeySelector<Right, K>): CoGroupEqualTo<Left, Right, K> {
    declaredSynchronousFunction(keySelector, 'equalTo', 'the key selector')
    return new CoGroupEqualTo({ ...this.#streams, leftKey: this.#leftKey, rightKey: keySelector })
  }
}

/** A coGroup that lacks its windows. */
export class CoGroupEqualTo<Left, Right, K extends Key> {
  readonly #streams: KeyedPair<Left, Right, K>

  /** @internal Comes from `equalTo`. */
  constructor(streams: KeyedPair<Left, Right, K>) {
    this.#streams = streams
  }

  /** Records are grouped within windows. */
  window(assigner: WindowAssigner): WindowedCoGroup<Left, Right, K> {
    return new WindowedCoGroup(windowed(this.#streams, assigner))
  }
}

/** A window coGroup: for each key and window both lists of records. What it emits carries the window's last millisecond, end − 1. */
export class WindowedCoGroup<Left, Right, K extends Key> {
  readonly #windows: WindowedStream<TaggedRecord<Left, Right>, K>

  /** @internal Comes from `window`. */
  constructor(windows: WindowedStream<TaggedRecord<Left, Right>, K>) {
    this.#windows = windows
  }

  /** When windows give their results, in place of what is usual for them. */
  trigger(trigger: Trigger<unknown>): WindowedCoGroup<Left, Right, K> {
    return new WindowedCoGroup(this.#windows.trigger(trigger))
  }

  /** Removes records of a window when it fires; it sees those of both streams, in the order in which they came. */
  evictor(evictor: Evictor<TaggedRecord<Left, Right>>): WindowedCoGroup<Left, Right, K> {
    return new WindowedCoGroup(this.#windows.evictor(evictor))
  }

  /** As of windows: a late record within it lets its window be grouped again. */
  allowedLateness(lateness: Duration): WindowedCoGroup<Left, Right, K> {
    return new WindowedCoGroup(this.#windows.allowedLateness(lateness))
  }

  /** What is made of both lists. */
  apply<Out>(coGroup: CoGroupFunction<Left, Right, Out>): SingleOutputStreamOperator<Out> {
    declaredFunctions(coGroup, 'apply', { needed: ['coGroup'], others: [] })
    return coGrouped(this.#windows, 'Window CoGroup', coGroup)
  }
}

interface Pair<Left, Right> {
  readonly left: DataStream<Left>
  readonly right: DataStream<Right>
}

interface KeyedPair<Left, Right, K extends Key> extends Pair<Left, Right> {
  readonly leftKey: ErasedKeySelector<K>
  readonly rightKey: ErasedKeySelector<K>
}

/** Of records of some type: streams of a narrower type stay assignable to those of a wider one. */
type ErasedKeySelector<K extends Key> = KeySelector<never, K>

/** As Flink: both streams tagged, united, keyed and put into the same windows. */
function windowed<Left, Right, K extends Key>(
  { left, right, leftKey, rightKey }: KeyedPair<Left, Right, K>,
  assigner: WindowAssigner,
): WindowedStream<TaggedRecord<Left, Right>, K> {
  const type = taggedType<Left, Right>(left.input.type(), right.input.type())
  const lefts = left
    .map((value): TaggedRecord<Left, Right> => ({ isLeft: true, left: value, right: null }))
    .name('Left')
    .returns(type)
  const rights = right
    .map((value): TaggedRecord<Left, Right> => ({ isLeft: false, left: null, right: value }))
    .name('Right')
    .returns(type)
  return lefts
    .union(rights)
    .keyBy<K>((tagged) => (tagged.isLeft ? leftKey(tagged.left as never) : rightKey(tagged.right as never)))
    .window(assigner)
}

function coGrouped<Left, Right, K extends Key, Out>(
  windows: WindowedStream<TaggedRecord<Left, Right>, K>,
  name: string,
  coGroup: CoGroupFunction<Left, Right, Out>,
): SingleOutputStreamOperator<Out> {
  return windows
    .process<Out>({
      process(_key, _context, elements, out) {
        const lefts: Left[] = []
        const rights: Right[] = []
        for (const { isLeft, left, right } of elements) {
          if (isLeft) lefts.push(left as Left)
          else rights.push(right as Right)
        }
        coGroup.coGroup(lefts, rights, out)
      },
    })
    .name(name)
}

function flatJoinOf<Left, Right, Out>(
  join: JoinFunction<Left, Right, Out> | FlatJoinFunction<Left, Right, Out>,
): FlatJoinFunction<Left, Right, Out> {
  if (typeof join === 'function') {
    declaredSynchronousFunction(join, 'apply', 'the join function')
    return { join: (left, right, out) => out.collect(join(left, right)) }
  }
  declaredFunctions(join, 'apply', { needed: ['join'], others: [] })
  return join
}

/** Declared where both streams are. */
function taggedType<Left, Right>(
  left: DataType<unknown>,
  right: DataType<unknown>,
): DataType<TaggedRecord<Left, Right>> {
  if (left.kind === 'untyped' || right.kind === 'untyped') return untyped()
  const fields = { isLeft: boolean(), left: orNull(left), right: orNull(right) }
  return record(fields, { name: 'Joined' }) as unknown as DataType<TaggedRecord<Left, Right>>
}

function orNull(type: DeclaredType<unknown>): DeclaredType<unknown> {
  return type.kind === 'nullable' ? type : nullable(type)
}
