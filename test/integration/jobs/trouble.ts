// A running count and sum a key over a sequence of numbers, with trouble in the middle. Arguments: kinds of trouble, how
// many numbers, output folder, pause in milliseconds a 200 records.
import { existsSync, writeFileSync } from 'node:fs'
import { type AggregateFunction, job } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { keyOf, type NumberTotal } from '../support/numbers.ts'
import { paced } from './paced.ts'

const troubles: Readonly<Record<string, () => void>> = {
  none: () => {},
  throw: () => {
    throw new Error('a function that throws')
  },
  exit: () => process.exit(3),
  timer: () => {
    setTimeout(() => {
      throw new Error('a timer that throws')
    }, 1)
  },
  rejection: () => {
    void Promise.reject(new Error('a promise that nobody handles'))
  },
  memory: () => {
    const kept: number[][] = []
    for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => index * 1.5))
  },
  leak: () => {
    leaked = []
  },
}

let leaked: unknown[] | undefined

/** Each kind of trouble once, one after another; a file remembers it, since a replay meets the number again. */
function troubleIn(kinds: readonly string[], count: number): (value: number) => number {
  const kindAt = new Map(
    kinds.map((kind, index) => [Math.floor(((index + 1) * count) / 2 / (kinds.length + 1)), kind] as const),
  )
  return (value) => {
    if (leaked !== undefined) leaked.push(Array.from({ length: 5000 }, (_, index) => index * 1.5))
    const kind = kindAt.get(value)
    const marker = `trouble-${kind}`
    if (kind === undefined || existsSync(marker)) return value
    writeFileSync(marker, '')
    troubles[kind]?.()
    return value
  }
}

const totals: AggregateFunction<number, NumberTotal, NumberTotal> = {
  createAccumulator: () => ({ number: 0, count: 0, sum: 0 }),
  add: ({ count, sum }, number) => ({ number, count: count + 1, sum: sum + number }),
  getResult: (total) => ({ ...total }),
}

export default job('trouble', (env, [kinds = 'none', count = '1000', folder = '.', pauseMs = '0']) => {
  env
    .fromSequence(1, Number(count))
    .map(paced(200, Number(pauseMs)))
    .map(troubleIn(kinds.split(','), Number(count)))
    .keyBy((number) => keyOf(number))
    .aggregate(totals)
    .sinkTo(FileSink.of({ folder }))
})
