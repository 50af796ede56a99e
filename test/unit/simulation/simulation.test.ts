import { expect, test } from 'vitest'
import { mutations } from '../../simulation/rules.ts'
import { simulate } from '../../simulation/simulation.ts'

const seeds = 1000
/** Where the machine is busy fewer seeds are run: a limit of time, not of what is checked. */
const limitMs = 30_000

test('a cluster under faults of every kind breaks no rule, and writes every result once (I1–I9, I11, I13)', () => {
  const startedMs = performance.now()
  for (let seed = 1; seed <= seeds && performance.now() - startedMs < limitMs; seed++) {
    expect(simulate(seed).failure).toBeUndefined()
  }
}, 90_000)

test('the same seed gives the same run', () => {
  const [first, second] = [simulate(7, { keepsTrace: true }), simulate(7, { keepsTrace: true })]
  expect(first.trace.length).toBeGreaterThan(100)
  expect(second).toEqual(first)
})

test.each(mutations)(
  'the simulator finds a guard that is left out: %s',
  (mutation) => {
    const invariant = mutation === 'I9 lost messages are not noticed' ? 'I11' : mutation.slice(0, mutation.indexOf(' '))
    for (let seed = 1; seed <= 600; seed++) {
      // What it does may break another rule first.
      if (simulate(seed, { mutation }).failure?.includes(`${invariant}: `)) return
    }
    expect.unreachable(`600 seeds do not find it: ${mutation}`)
  },
  60_000,
)
