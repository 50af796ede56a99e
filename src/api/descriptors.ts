import type { DataType } from '../formats/data-type.ts'
import { untyped } from '../formats/types.ts'
import { declaredSynchronousFunction, declaredText } from './declaration.ts'
import type { AggregateFunction, OutputTag, ReduceFunction } from './functions.ts'
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  OperatorListStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from './state.ts'
import { type StateOptions, ttlOf } from './state-ttl.ts'

/**
 * Describes a keyed state of one value a key. Names are unique within an operator and name the state in checkpoints.
 * @param type declared, values are checked and, where they allow it, kept off the heap; left out, they are untyped
 * @param options.ttl how long a value lives (StateTtlConfig); left out, until it is cleared. All keyed state may have it
 * @throws MillraceError MR_JOB_DEFINITION where the name is empty, as all descriptors do
 * @example
 * ```ts
 * import { type KeyedProcessFunction, type ValueState, valueStateDescriptor } from 'millrace'
 *
 * function numbered(): KeyedProcessFunction<string, string, string> {
 *   const seen = valueStateDescriptor<number>('seen')
 *   let state: ValueState<number>
 *   return {
 *     open(context) {
 *       state = context.valueState(seen)
 *     },
 *     processElement(value, _context, out) {
 *       const count = (state.value() ?? 0) + 1
 *       state.update(count)
 *       out.collect(`${count}. ${value}`)
 *     },
 *   }
 * }
 * ```
 */
export function valueStateDescriptor<T>(
  name: string,
  type: DataType<T> = untyped(),
  options: StateOptions = {},
): ValueStateDescriptor<T> {
  return { kind: 'value', name: stateName(name, 'valueStateDescriptor'), type, ...ttlOf(name, options) }
}

/** Describes a keyed state of a list a key; `type` is that of its items. Each has a time to live of its own. */
export function listStateDescriptor<T>(
  name: string,
  type: DataType<T> = untyped(),
  options: StateOptions = {},
): ListStateDescriptor<T> {
  return { kind: 'list', name: stateName(name, 'listStateDescriptor'), type, ...ttlOf(name, options) }
}

/** Describes a keyed state of a map a key; `type` is that of its values. Each entry has a time to live of its own. */
export function mapStateDescriptor<K extends string | number | bigint | boolean, V>(
  name: string,
  type: DataType<V> = untyped(),
  options: StateOptions = {},
): MapStateDescriptor<K, V> {
  return { kind: 'map', name: stateName(name, 'mapStateDescriptor'), type, ...ttlOf(name, options) }
}

/** Describes a keyed state that combines what is added by a reduce function. */
export function reducingStateDescriptor<T>(
  name: string,
  reduce: ReduceFunction<T>,
  type: DataType<T> = untyped(),
  options: StateOptions = {},
): ReducingStateDescriptor<T> {
  declaredSynchronousFunction(reduce, 'reducingStateDescriptor', 'reduce')
  return { kind: 'reducing', name: stateName(name, 'reducingStateDescriptor'), type, reduce, ...ttlOf(name, options) }
}

/** Describes a keyed state that combines what is added by an aggregate function. */
export function aggregatingStateDescriptor<In, Accumulator, Out>(
  name: string,
  aggregate: AggregateFunction<In, Accumulator, Out>,
  options: StateOptions = {},
): AggregatingStateDescriptor<In, Accumulator, Out> {
  return {
    kind: 'aggregating',
    name: stateName(name, 'aggregatingStateDescriptor'),
    aggregate,
    ...ttlOf(name, options),
  }
}

/**
 * Describes operator state: a list of each subtask, not of a key.
 * @param options.redistribution what happens to the items when the parallelism changes. `even-split` (default): they are
 *   dealt out. `union`: every subtask gets all of them
 */
export function operatorListStateDescriptor<T>(
  name: string,
  options: { readonly type?: DataType<T>; readonly redistribution?: 'even-split' | 'union' } = {},
): OperatorListStateDescriptor<T> {
  return {
    name: stateName(name, 'operatorListStateDescriptor'),
    type: options.type ?? untyped(),
    redistribution: options.redistribution ?? 'even-split',
  }
}

/**
 * Names a side output. Functions write to it by `context.output(tag, value)`; `stream.getSideOutput(tag)` reads it.
 * @throws MillraceError MR_JOB_DEFINITION where the id is empty
 * @example
 * ```ts
 * import { outputTag } from 'millrace'
 *
 * const late = outputTag<{ user: string; at: number }>('late')
 * ```
 */
export function outputTag<T>(id: string, type: DataType<T> = untyped()): OutputTag<T> {
  return { id: declaredText(id, 'outputTag', 'the id'), type }
}

function stateName(name: string, subject: string): string {
  return declaredText(name, subject, 'the name')
}
