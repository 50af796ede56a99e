import { expect, test } from 'vitest'
import { attemptId } from '../../../src/common/ids.ts'
import type { JobPlan } from '../../../src/graph/job-graph.ts'
import type { TransactionLedger } from '../../../src/state/transaction-ledger.ts'
import { JobWorld, newStore } from './job-world.ts'
import { newWorld, seeded } from './model-slots.ts'
import { jobMasterOf, planOf } from './plans.ts'

const plan = scoped(
  planOf([
    { name: 'source', parallelism: 1, kind: 'source' },
    { name: 'sink', parallelism: 1, kind: 'sink', reads: { source: 'forward' } },
  ]),
)

/** Its sinks all write to one cluster. */
function scoped(bare: JobPlan): JobPlan {
  const vertices = bare.vertices.map((vertex) => ({
    ...vertex,
    operators: vertex.operators.map((operator) => ({
      ...operator,
      sink: operator.sink === undefined ? undefined : { ...operator.sink, transactionScope: 'one cluster' },
    })),
  }))
  return { ...bare, vertices }
}

function left(changes: Partial<TransactionLedger[number]>): TransactionLedger[number] {
  const operatorUid = changes.operatorUid ?? 'removed'
  return { operatorUid, attemptId: attemptId('gone'), idBase: `tested-${operatorUid}-gone-`, mark: 2, ...changes }
}

/** The ids that a job fences which earlier runs have left so, and what is in its ledger at its end. */
function fencedBy(ledger: TransactionLedger): { readonly fences: readonly string[]; readonly left: readonly string[] } {
  const store = newStore()
  store.ledger = ledger
  const job = new JobWorld(jobMasterOf(plan, { leftTransactions: ledger }), newWorld(), store, seeded(7))
  job.slots.healed = true
  const isLeft = (): boolean => job.state.transactions?.ledger.some((entry) => entry.attemptId === 'gone') === true
  for (let step = 0; step < 2000 && isLeft() && job.outcome === undefined; step++) job.step()
  const fences = job.trace.filter((line) => line.includes('"fenceTransactions"'))
  const remaining = job.state.transactions?.ledger.filter((entry) => entry.attemptId === 'gone') ?? []
  return { fences, left: remaining.map(({ operatorUid }) => operatorUid) }
}

test('what a sink that the job no longer has left open is fenced by another one of its prefix and cluster (R16)', () => {
  const { fences, left: remaining } = fencedBy([left({ scope: 'one cluster' })])
  expect(remaining).toEqual([])
  expect(fences).toHaveLength(1)
  expect(fences[0]).toContain('"operatorUid":"sink"')
  expect(fences[0]).toContain('tested-removed-gone-0')
})

test.each([
  ['of another cluster', left({ scope: 'another cluster' })],
  ['of another prefix', left({ scope: 'one cluster', idBase: 'other-removed-gone-' })],
  ['of a ledger that does not say where it wrote', left({})],
])('one %s is left alone: ids of that name there may be anyone else’s', (_, entry) => {
  expect(fencedBy([entry])).toEqual({ fences: [], left: ['removed'] })
})

test('what a sink of the job has left is fenced by itself, wherever it wrote', () => {
  expect(fencedBy([left({ operatorUid: 'sink' })]).left).toEqual([])
  expect(fencedBy([left({ operatorUid: 'sink', scope: 'one cluster' }), left({ scope: 'x' })]).left).toEqual([
    'removed',
  ])
})
