import type { AggregateFunction, ReduceFunction } from '../../api/functions.ts'
import { MillraceError } from '../../common/errors.ts'
import type { DataType, DeclaredType } from '../../formats/data-type.ts'
import type { WindowComputation } from '../../graph/operator-spec.ts'
import { type ValueCopy, valueCopyOf } from './value-copy.ts'

/** What a window keeps of its records: one reduced value, an accumulator, or all of them. */
export interface WindowContents {
  /** Of the contents in state. */
  readonly type: DataType<unknown>
  /** Contents of one record. */
  first(value: unknown): unknown
  /** May change and return `contents`. */
  add(contents: unknown, value: unknown): unknown
  /** For sessions. May change and return `left`, never `right` (R35). */
  merge(left: unknown, right: unknown): unknown
  /** Contents of their own, as `merge` into nothing. */
  copy(contents: unknown): unknown
  /** What results are made from. `retained`: the contents stay in state, and the results may not alias them (R7). */
  elements(contents: unknown, retained: boolean): readonly unknown[]
}

export function windowContentsOf(compute: WindowComputation): WindowContents {
  switch (compute.kind) {
    case 'reduce':
      return new ReducedContents(compute.reduce, compute.type)
    case 'aggregate':
      return new AggregatedContents(compute.aggregate)
    case 'process':
      return new CollectedContents(compute.type)
    default: {
      const never: never = compute
      throw new MillraceError('MR_INTERNAL', `unknown window computation ${String(never)}`)
    }
  }
}

class ReducedContents implements WindowContents {
  readonly type: DataType<unknown>
  readonly #reduce: ReduceFunction<unknown>
  readonly #copy: ValueCopy

  constructor(reduce: ReduceFunction<unknown>, type: DataType<unknown>) {
    this.type = type
    this.#reduce = reduce
    this.#copy = valueCopyOf(type)
  }

  /** A copy: reduce may change what is kept, and a record may be in several windows and chains. */
  first(value: unknown): unknown {
    return this.#copy(value)
  }

  add(contents: unknown, value: unknown): unknown {
    const reduced = this.#reduce(contents, value)
    return reduced === value ? this.#copy(value) : reduced
  }

  merge(left: unknown, right: unknown): unknown {
    return this.#reduce(left, right)
  }

  copy(contents: unknown): unknown {
    return this.#copy(contents)
  }

  elements(contents: unknown): readonly unknown[] {
    return [this.#copy(contents)]
  }
}

class AggregatedContents implements WindowContents {
  readonly type: DataType<unknown>
  readonly #aggregate: AggregateFunction<unknown, unknown, unknown>
  readonly #copy: ValueCopy

  constructor(aggregate: AggregateFunction<unknown, unknown, unknown>) {
    this.type = aggregate.accumulatorType ?? { kind: 'untyped' }
    this.#aggregate = aggregate
    this.#copy = valueCopyOf(aggregate.accumulatorType)
  }

  first(value: unknown): unknown {
    return this.#aggregate.add(this.#aggregate.createAccumulator(), value)
  }

  add(contents: unknown, value: unknown): unknown {
    return this.#aggregate.add(contents, value)
  }

  merge(left: unknown, right: unknown): unknown {
    if (this.#aggregate.merge === undefined) throw new TypeError('session windows need an aggregate with merge()')
    return this.#aggregate.merge(left, right)
  }

  copy(contents: unknown): unknown {
    return this.merge(this.#aggregate.createAccumulator(), contents)
  }

  elements(contents: unknown): readonly unknown[] {
    const result = this.#aggregate.getResult(contents)
    return [result === contents ? this.#copy(result) : result]
  }
}

class CollectedContents implements WindowContents {
  readonly type: DataType<unknown>

  constructor(type: DataType<unknown>) {
    this.type = type.kind === 'untyped' ? type : { kind: 'array', items: type as DeclaredType<unknown> }
  }

  first(value: unknown): unknown {
    return [value]
  }

  add(contents: unknown, value: unknown): unknown {
    const values = contents as unknown[]
    values.push(value)
    return values
  }

  merge(left: unknown, right: unknown): unknown {
    const values = left as unknown[]
    for (const value of right as unknown[]) values.push(value)
    return values
  }

  copy(contents: unknown): unknown {
    return [...(contents as unknown[])]
  }

  elements(contents: unknown, retained: boolean): readonly unknown[] {
    const values = contents as unknown[]
    return retained ? [...values] : values
  }
}
