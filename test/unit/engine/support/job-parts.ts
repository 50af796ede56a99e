import type {
  DataStream,
  Key,
  ReduceFunction,
  SingleOutputStreamOperator,
  StreamExecutionEnvironment,
  WatermarkStrategy,
  WindowedStream,
} from 'millrace'
import { type CollectingSink, collectingSink, scriptedSource } from 'millrace/testing'
import { collected, filtered, flatMapped, numbers, ofItems, windowFunction } from './functions.ts'
import { type Input, type Item, inputType, itemOf, itemType, joined, type KeyKind, numberOf, short } from './item.ts'
import type { Computation, JobShape, Placement, SourceShape } from './job-shape.ts'
import { slowSink } from './slow-sink.ts'

/** Makes operators throw, once each. Outlives slots and runs. */
export class Throws {
  readonly #planned: { readonly operator: string; readonly call: number }[]
  readonly #calls = new Map<string, number>()

  constructor(planned: JobShape['throws']) {
    this.#planned = [...planned]
  }

  at(operator: string): void {
    const call = (this.#calls.get(operator) ?? 0) + 1
    this.#calls.set(operator, call)
    const index = this.#planned.findIndex((planned) => planned.operator === operator && planned.call === call)
    if (index < 0) return
    this.#planned.splice(index, 1)
    throw new Error(`${operator} throws at call ${call}`)
  }
}

const separator = '\u0001'

/** Keeps the ids of all, in any order; changes the left one in place, as a reduce may (R7). */
const reduced: ReduceFunction<Item> = (left, right) => {
  const kept = left as { id: string; amount: number }
  kept.id = `${left.id}${separator}${right.id}`
  kept.amount += right.amount
  return left
}

const ofReduced = ({ id, amount }: Item): ReturnType<typeof ofItems> => ({
  what: joined(id.split(separator)),
  amount,
})

/** What pipelines of all kinds are declared from. */
export class JobParts {
  readonly sinks: ReadonlyMap<string, CollectingSink<Item>>
  readonly throws: Throws
  readonly declared: boolean
  /** Number of the start, from 0: parallelism differs from one to the next. */
  readonly #run: number
  readonly #sinkTurns: number

  constructor(shape: JobShape, run: number, outlasting: Pick<JobParts, 'sinks' | 'throws'>) {
    this.declared = shape.declared
    this.#sinkTurns = shape.sinkTurns
    this.#run = run
    this.sinks = outlasting.sinks
    this.throws = outlasting.throws
  }

  source(
    env: StreamExecutionEnvironment,
    shape: SourceShape,
    strategy: WatermarkStrategy<Input>,
  ): SingleOutputStreamOperator<Input> {
    const { splits, recordsAtOnce, interval } = shape
    const type = this.declared ? { type: inputType } : {}
    const source = scriptedSource<Input>(splits, { recordsAtOnce, interval, ...type })
    return this.place(env.fromSource(source, strategy, shape.name), shape)
  }

  items(input: DataStream<Input>, place: Placement): DataStream<Item> {
    return this.map(input, { ...place, name: `${place.name}-items`, chaining: 'always' }, itemOf)
  }

  map<In>(input: DataStream<In>, place: Placement, change: (value: In) => Item): SingleOutputStreamOperator<Item> {
    const results = input.map((value) => {
      this.throws.at(place.name)
      return change(value)
    })
    return this.typed(results, place)
  }

  filter(input: DataStream<Item>, place: Placement, modulus: number): SingleOutputStreamOperator<Item> {
    const results = input.filter((item) => {
      this.throws.at(place.name)
      return filtered(modulus, item)
    })
    return this.place(results, place)
  }

  flatMap(input: DataStream<Item>, place: Placement): SingleOutputStreamOperator<Item> {
    const results = input.flatMap((item) => {
      this.throws.at(place.name)
      return flatMapped(place.name, item)
    })
    return this.typed(results, place)
  }

  compute(
    windows: WindowedStream<Item, Key>,
    { name, key, compute }: { readonly name: string; readonly key: KeyKind; readonly compute: Computation },
  ): SingleOutputStreamOperator<Item> {
    const formed = <In>(contentsOf: (elements: readonly In[]) => ReturnType<typeof ofItems>) =>
      windowFunction<In>(name, key, (elements) => {
        this.throws.at(name)
        return contentsOf(elements)
      })
    const withKey = (k: Key, item: Item, { start, end }: { readonly start: number; readonly end: number }): Item => {
      this.throws.at(name)
      const { what, amount } = ofReduced(item)
      return { id: short(`${name} ${start}–${end} ${what}`), key: numberOf(key, k), amount }
    }
    switch (compute) {
      case 'process':
        return windows.process(formed<Item>(ofItems))
      case 'reduce':
        return windows.reduce(reduced, { withKey })
      case 'reduceAndProcess':
        return windows.reduce(
          reduced,
          formed<Item>(([item]) => (item === undefined ? ofItems([]) : ofReduced(item))),
        )
      case 'aggregate':
      case 'combinableAggregate': {
        const contents = { ...collected(this.declared), combinable: compute === 'combinableAggregate' }
        return windows.aggregate(contents, {
          withKey: (k, { ids, amount }, window) => withKey(k, { id: ids.join(separator), key: 0, amount }, window),
        })
      }
      case 'numbers':
      case 'combinableNumbers': {
        const contents = formed<{ count: number; sum: number }>(([result]) => ({
          what: `${result?.count}`,
          amount: result?.sum ?? -1,
        }))
        return windows.aggregate({ ...numbers(this.declared), combinable: compute === 'combinableNumbers' }, contents)
      }
      default: {
        const never: never = compute
        throw new TypeError(String(never))
      }
    }
  }

  sink(stream: DataStream<Item>, place: Placement, name = place.name): void {
    const collecting = this.sinks.get(name) as CollectingSink<Item>
    const sink = stream.sinkTo(slowSink(collecting, this.#sinkTurns), name).uid(name)
    const parallelism = this.#parallelismOf(place)
    if (parallelism !== undefined) sink.setParallelism(parallelism)
    if (place.chaining === 'never') sink.disableChaining()
  }

  typed(stream: SingleOutputStreamOperator<Item>, place: Placement): SingleOutputStreamOperator<Item> {
    return this.place(this.declared ? stream.returns(itemType) : stream, place)
  }

  place<T>(stream: SingleOutputStreamOperator<T>, place: Placement): SingleOutputStreamOperator<T> {
    stream.name(place.name).uid(place.name)
    const parallelism = this.#parallelismOf(place)
    if (parallelism !== undefined) stream.setParallelism(parallelism)
    if (place.chaining === 'never') stream.disableChaining()
    if (place.chaining === 'head') stream.startNewChain()
    return stream
  }

  #parallelismOf({ parallelism, rescale }: Placement): number | undefined {
    if (parallelism === undefined) return undefined
    return ((parallelism - 1 + rescale * this.#run) % 4) + 1
  }
}

/** One sink a pipeline, and one for late records where there may be some. */
export function sinksOf({ pipelines }: JobShape): ReadonlyMap<string, CollectingSink<Item>> {
  const names = pipelines.flatMap((pipeline) => {
    const { name } = pipeline.sink
    const operator = pipeline.type === 'ordered' ? pipeline.operator : undefined
    const hasLate = operator !== undefined && 'sideOutput' in operator && operator.sideOutput
    return hasLate ? [name, `${name}-late`] : [name]
  })
  return new Map(names.map((name) => [name, collectingSink<Item>()]))
}
