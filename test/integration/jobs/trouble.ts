// A running count and sum a key over a sequence of numbers, with trouble in the middle. Arguments: kind of trouble, how
// many numbers, output folder, pause in milliseconds a 200 records.
import { existsSync, writeFileSync } from 'node:fs'
import { job } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import type { NumberTotal } from '../support/numbers.ts'
import { keyOf } from '../support/numbers.ts'
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

/** Trouble once, at the given number; a file remembers it, since a replay meets the number again. */
function troubleAt(number: number, kind: string, folder: string): (value: number) => number {
  return (value) => {
    if (leaked !== undefined) leaked.push(Array.from({ length: 5000 }, (_, index) => index * 1.5))
    if (value !== number) return value
    const marker = `${folder}/trouble-${kind}`
    if (existsSync(marker)) return value
    writeFileSync(marker, '')
    troubles[kind]?.()
    return value
  }
}

interface Accumulator {
  count: number
  sum: number
  last: number
}

export default job('trouble', (env, [kind = 'none', count = '1000', folder = '.', pauseMs = '0']) => {
  env
    .fromSequence(1, Number(count))
    .map(paced(200, Number(pauseMs)))
    .map(troubleAt(Math.floor(Number(count) / 4), kind, '.'))
    .keyBy((number) => keyOf(number))
    .aggregate({
      createAccumulator: (): Accumulator => ({ count: 0, sum: 0, last: 0 }),
      add: ({ count: before, sum }, number: number): Accumulator => ({
        count: before + 1,
        sum: sum + number,
        last: number,
      }),
      getResult: ({ count: of, sum, last }): NumberTotal => ({ number: last, count: of, sum }),
    })
    .sinkTo(FileSink.of({ folder }))
})
