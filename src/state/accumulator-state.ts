import type { DataType } from '../formats/data-type.ts'

/**
 * The running accumulator of each key: the hot path of reduce and aggregate. Two implementations: entries of a Map, and
 * columns off the heap for declared records of numbers.
 */
export interface AccumulatorState<A> {
  /**
   * The accumulator of the current key, to be changed in place now; created where there is none. Marks it changed, and
   * copies it first while a snapshot drains (R6). Off the heap it is one view for all keys, valid until the next call
   * of any method of this state; its fields are own, enumerable accessors, so that it can be spread.
   */
  forUpdate(): A
  /** Where add or reduce gave another object. Setting the view itself does nothing. */
  set(accumulator: A): void
  /** What is there, to be read only, or undefined. Off the heap it is the view of `forUpdate`. */
  peek(): A | undefined
  /** A copy of what is there, safe to emit (R7), or undefined. */
  copy(): A | undefined
  /** Forgets the current key; a tombstone where a checkpoint may hold it. */
  remove(): void
}

export interface AccumulatorOptions<A> {
  create(): A
  /** Declared records of numbers, and number scalars, are kept off the heap; everything else in a Map. */
  readonly type: DataType<A> | undefined
}
