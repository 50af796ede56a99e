// A running count and sum a key over a sequence of numbers, in slots whose threads die at random moments of their lives:
// while they restore, commit, snapshot or end. Arguments: how many deaths, how many numbers, output folder, pause in
// milliseconds a 200 records, longest life in milliseconds.
import { readdirSync, writeFileSync } from 'node:fs'
import { isMainThread, threadId } from 'node:worker_threads'
import { type AggregateFunction, job } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { keyOf, type NumberTotal } from '../support/numbers.ts'
import { paced } from './paced.ts'

/** Files remember the deaths, over all working processes. */
function dieOnce(deaths: number, longestMs: number): void {
  if (isMainThread) return
  setTimeout(() => {
    const dead = readdirSync('.').filter((name) => name.startsWith('death-')).length
    if (dead >= deaths) return
    writeFileSync(`death-${process.pid}-${threadId}`, '')
    process.exit(7)
  }, Math.random() * longestMs)
}

const totals: AggregateFunction<number, NumberTotal, NumberTotal> = {
  createAccumulator: () => ({ number: 0, count: 0, sum: 0 }),
  add: ({ count, sum }, number) => ({ number, count: count + 1, sum: sum + number }),
  getResult: (total) => ({ ...total }),
}

export default job(
  'mortal-slots',
  (env, [deaths = '0', count = '1000', folder = '.', pauseMs = '0', lifeMs = '1000']) => {
    dieOnce(Number(deaths), Number(lifeMs))
    env
      .fromSequence(1, Number(count))
      .map(paced(200, Number(pauseMs)))
      .keyBy((number) => keyOf(number))
      .aggregate(totals)
      .sinkTo(FileSink.of({ folder }))
  },
)
