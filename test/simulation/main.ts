import { parseArgs } from 'node:util'
import { simulate } from './simulation.ts'

/** `npm run simulate -- --seeds N [--from N] | --seed N | --forever`: exit code 0 where no rule was broken. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    forever: { type: 'boolean', default: false },
  },
})

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function replay(seed: number): boolean {
  const { trace, failure, virtualMs } = simulate(seed, { keepsTrace: true })
  for (const line of trace) say(line)
  say(failure === undefined ? `PASSED seed ${seed}: ${virtualMs.toFixed(0)} ms of virtual time` : `FAILED ${failure}`)
  return failure === undefined
}

function runMany(first: number, count: number): boolean {
  const startedMs = performance.now()
  const failures: string[] = []
  let done = 0
  for (; done < count && failures.length < 10; done++) {
    const { failure } = simulate(first + done)
    if (failure !== undefined) {
      failures.push(failure)
      say(failure)
    }
    if (done % 1000 === 999) say(`${done + 1} seeds, ${failures.length} failures`)
  }
  const seconds = (performance.now() - startedMs) / 1000
  const summary = `${done} seeds from ${first} in ${seconds.toFixed(1)} s (${(done / seconds).toFixed(0)} a second)`
  say(failures.length === 0 ? `PASSED ${summary}` : `FAILED ${failures.length} of ${summary}`)
  return failures.length === 0
}

const isGood =
  values.seed === undefined
    ? runMany(Number(values.from), values.forever ? Number.POSITIVE_INFINITY : Number(values.seeds ?? 1000))
    : replay(Number(values.seed))
process.exitCode = isGood ? 0 : 1
