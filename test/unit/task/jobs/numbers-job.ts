import {
  type Collector,
  datagen,
  job,
  type KeyedProcessContext,
  type KeyedProcessFunction,
  type KeyedRuntimeContext,
  type ValueState,
  valueStateDescriptor,
  WatermarkStrategy,
} from 'millrace'
import { FileSink } from 'millrace/filesystem'

export interface NumbersArguments {
  readonly folder: string
  readonly count: number
  /** Records a second; left out: as fast as they are read. */
  readonly rate?: number
  readonly checkpoints?: boolean
  readonly mode?: 'exactly-once' | 'at-least-once'
  /** What the map does with the record 1000 of any subtask. */
  readonly fault?: 'throw' | 'exit' | 'loop' | 'uncaught' | 'grow'
  /** Another graph than the client's. */
  readonly extraOperator?: boolean
}

interface Numbered {
  readonly id: number
  readonly key: number
}

export interface Counted extends Numbered {
  /** Place of the record among those of its key. */
  readonly seen: number
}

/** Numbers by key, each with its place in the running count of its key: a record that is lost or doubled shows. */
class RunningCount implements KeyedProcessFunction<number, Numbered, Counted> {
  #seen: ValueState<number> | undefined

  open(context: KeyedRuntimeContext): void {
    this.#seen = context.valueState(valueStateDescriptor<number>('seen'))
  }

  processElement(number: Numbered, _context: KeyedProcessContext<number>, out: Collector<Counted>): void {
    const seen = (this.#seen?.value() ?? 0) + 1
    this.#seen?.update(seen)
    out.collect({ ...number, seen })
  }
}

export default job('numbers', (env, args) => {
  const options = JSON.parse(args[0] ?? '{}') as NumbersArguments
  if (options.checkpoints === true) env.enableCheckpointing('10min', { mode: options.mode ?? 'exactly-once' })
  const { rate } = options
  let numbers = env
    .fromSource(
      datagen({
        generate: (index): Numbered => ({ id: index, key: index % 10 }),
        count: options.count,
        ...(rate === undefined ? {} : { recordsPerSecond: rate }),
      }),
      WatermarkStrategy.noWatermarks(),
      'numbers',
    )
    .map((number) => fault(number, options.fault))
  if (options.extraOperator === true) numbers = numbers.map((number) => number)
  numbers
    .keyBy((number) => number.key)
    .process(new RunningCount())
    .uid('count')
    .sinkTo(FileSink.of({ folder: options.folder }))
})

function fault(number: Numbered, kind: NumbersArguments['fault']): Numbered {
  if (kind === undefined || number.id !== 1000) return number
  switch (kind) {
    case 'throw':
      throw new Error('number 1000')
    case 'exit':
      return process.exit(7)
    case 'loop':
      for (;;);
    case 'uncaught':
      queueMicrotask(() => {
        throw new Error('thrown outside')
      })
      return number
    case 'grow': {
      const grown: unknown[] = []
      while (grown.length < 3_000_000) grown.push({ at: grown.length })
      kept.push(grown)
      return number
    }
    default: {
      const never: never = kind
      throw new TypeError(String(never))
    }
  }
}

const kept: unknown[] = []
