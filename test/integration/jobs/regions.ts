// Two pipelines that have nothing to do with each other; a slot's function throws in the first, again and again. Arguments:
// how many numbers, output folder, how often it throws, pause in milliseconds a 200 records.
import { existsSync, writeFileSync } from 'node:fs'
import { type AggregateFunction, job } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { keyOf, type NumberTotal } from '../support/numbers.ts'
import { paced } from './paced.ts'

function throwingAt(numbers: readonly number[]): (value: number) => number {
  const pending = new Set(numbers)
  return (value) => {
    const marker = `thrown-${value}`
    if (!pending.has(value) || existsSync(marker)) return value
    writeFileSync(marker, '')
    throw new Error(`no ${value}`)
  }
}

const totals: AggregateFunction<number, NumberTotal, NumberTotal> = {
  createAccumulator: () => ({ number: 0, count: 0, sum: 0 }),
  add: ({ count, sum }, number) => ({ number, count: count + 1, sum: sum + number }),
  getResult: (total) => ({ ...total }),
}

export default job('regions', (env, [count = '1000', folder = '.', times = '1', pauseMs = '0']) => {
  const throwAt = Array.from({ length: Number(times) }, (_, index) =>
    Math.floor(((index + 0.5) * Number(count)) / 2 / Number(times)),
  )
  env
    .fromSequence(1, Number(count), { name: 'failing numbers' })
    .map(paced(200, Number(pauseMs)))
    .map(throwingAt(throwAt))
    .keyBy((number) => keyOf(number))
    .aggregate(totals)
    .name('failing sums')
    .sinkTo(FileSink.of({ folder: `${folder}/failing` }))
    .name('failing files')
  env
    .fromSequence(1, Number(count), { name: 'steady numbers' })
    .map(paced(200, Number(pauseMs)))
    .keyBy((number) => keyOf(number))
    .aggregate(totals)
    .name('steady sums')
    .sinkTo(FileSink.of({ folder: `${folder}/steady` }))
    .name('steady files')
})
