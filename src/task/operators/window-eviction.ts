import type { Evictor, EvictorContext, TimestampedValue } from '../../api/evictors.ts'
import type { TimeWindow } from '../../api/functions.ts'
import type { DataType, DeclaredType } from '../../formats/data-type.ts'
import type { WindowComputation } from '../../graph/operator-spec.ts'
import type { OperatorContext } from '../operator.ts'
import { userFunctionError } from './user-function-error.ts'
import type { WindowContents } from './window-contents.ts'

type Elements = readonly TimestampedValue<unknown>[]

/** Windows with an evictor keep all records with their timestamps, and compute anew whenever they fire. */
export class WindowEviction implements EvictorContext {
  currentWatermark: number
  readonly #evictor: Evictor<unknown>
  readonly #compute: WindowComputation
  readonly #contents: WindowContents
  readonly #context: OperatorContext

  /** @param contents what is computed of the records that are left */
  constructor(
    evictor: Evictor<unknown>,
    compute: WindowComputation,
    contents: WindowContents,
    context: OperatorContext,
  ) {
    this.#evictor = evictor
    this.#compute = compute
    this.#contents = contents
    this.#context = context
    this.currentWatermark = context.restoredWatermark
  }

  get currentProcessingTime(): number {
    return this.#context.clock.now()
  }

  before(elements: Elements, window: TimeWindow): Elements {
    return this.#call('evictBefore', () => listOf(this.#evictor.evictBefore([...elements], window, this)))
  }

  after(elements: Elements, window: TimeWindow): Elements {
    return this.#call('evictAfter', () => listOf(this.#evictor.evictAfter(elements, window, this)))
  }

  /** What the window function sees of the records, or the one result; of no records a reduction has none. */
  computed(elements: Elements): readonly unknown[] {
    return this.#call('the computation', () => {
      const [first, ...rest] = elements
      if (first === undefined) {
        if (this.#compute.kind !== 'aggregate') return []
        const { aggregate } = this.#compute
        return [aggregate.getResult(aggregate.createAccumulator())]
      }
      let contents = this.#contents.first(first.value)
      for (const { value } of rest) contents = this.#contents.add(contents, value)
      return this.#contents.elements(contents, false)
    })
  }

  #call<Result>(name: string, call: () => Result): Result {
    try {
      return call()
    } catch (error) {
      throw userFunctionError(error, this.#context.operatorName, name)
    }
  }
}

function listOf(elements: Elements): Elements {
  if (Array.isArray(elements)) return elements
  throw new TypeError('it gave no list of the elements that stay')
}

/** Contents of windows with an evictor: a list of values and timestamps. Records of aggregates have no declared type. */
export function timestampedContents(compute: WindowComputation): WindowContents {
  return {
    type: compute.kind === 'aggregate' ? { kind: 'untyped' } : timestampedType(compute.type),
    first: (element) => [element],
    add: (contents, element) => appended(contents, [element]),
    merge: (left, right) => appended(left, right as readonly unknown[]),
    copy: (contents) => [...(contents as readonly unknown[])],
    elements: (contents) => contents as readonly unknown[],
  }
}

function appended(contents: unknown, elements: readonly unknown[]): unknown {
  const list = contents as unknown[]
  for (const element of elements) list.push(element)
  return list
}

function timestampedType(type: DataType<unknown>): DataType<unknown> {
  if (type.kind === 'untyped') return type
  return {
    kind: 'array',
    items: {
      kind: 'record',
      name: 'TimestampedValue',
      fields: [
        { name: 'value', type: type as DeclaredType<unknown> },
        { name: 'timestamp', type: { kind: 'double' } },
      ],
    },
  }
}
