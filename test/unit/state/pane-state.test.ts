import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashKey } from '../../../src/common/key.ts'
import { KeyedStateBackend, type PaneState } from '../../../src/state/keyed-state-backend.ts'
import { ManagedMemory } from '../../../src/state/managed-memory.ts'

function panesOf(): { backend: KeyedStateBackend; panes: PaneState<string> } {
  const backend = new KeyedStateBackend({
    keyGroups: { from: 0, to: 16 },
    maxParallelism: 16,
    memory: new ManagedMemory(1),
    operatorName: 'windows',
  })
  return { backend, panes: backend.panes<string>('.panes', { type: undefined }) }
}

const select = (backend: KeyedStateBackend, key: string): void => backend.setCurrentKey(key, hashKey(key))

function visited(panes: PaneState<string>, backend: KeyedStateBackend, namespace: number): string[] {
  const cursor = panes.cursor(namespace)
  const keys: string[] = []
  while (cursor.next()) {
    expect(backend.currentKey).toBe(cursor.key)
    expect(panes.get(namespace)).toBe(cursor.value)
    keys.push(String(cursor.key))
  }
  return keys.sort()
}

interface Both {
  readonly backend: KeyedStateBackend
  readonly panes: PaneState<string>
  readonly model: Map<number, Map<string, string>>
}
type Step = readonly [key: string, namespace: number, luck: number]

function set({ backend, panes, model }: Both, [key, at]: Step): void {
  select(backend, key)
  panes.set(at, key)
  const pane = model.get(at) ?? new Map<string, string>()
  model.set(at, pane.set(key, key))
}

function remove({ backend, panes, model }: Both, [key, at]: Step): void {
  select(backend, key)
  const existed = model.get(at)?.delete(key) === true
  expect(panes.removeEntry(at)).toBe(existed)
}

/** Rarely, as it takes all keys. */
function drop({ panes, model }: Both, [, at, luck]: Step): void {
  if (luck !== 0) return
  panes.dropNamespace(at)
  model.delete(at)
}

test('panes give the lowest namespace and the entries of each, as a plain model does', () => {
  const name = fc.integer({ min: 0, max: 150 }).map((index) => `k${index}`)
  const namespace = fc.constantFrom(-10, 0, 5, 1_700_000_000_000, 1_700_000_001_000)
  const step = fc.tuple(
    fc.constantFrom<'set' | 'remove' | 'drop'>('set', 'set', 'set', 'remove', 'drop'),
    name,
    namespace,
    fc.nat(9),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const { backend, panes } = panesOf()
      const model = new Map<number, Map<string, string>>()
      const perform = { set, remove, drop }
      for (const [what, ...step] of steps) perform[what]({ backend, panes, model }, step)
      const existing = [...model].filter(([, pane]) => pane.size > 0)
      expect(panes.lowestNamespace()).toBe(Math.min(Number.POSITIVE_INFINITY, ...existing.map(([at]) => at)))
      for (const [at, pane] of existing) expect(visited(panes, backend, at)).toEqual([...pane.keys()].sort())
    }),
    { numRuns: 60 },
  )
})

test('a cursor goes on after entries were removed and added under it', () => {
  const { backend, panes } = panesOf()
  const names = Array.from({ length: 200 }, (_, index) => `k${index}`)
  for (const name of names) {
    select(backend, name)
    panes.set(7, name)
  }
  const cursor = panes.cursor(7)
  const seen: string[] = []
  while (cursor.next()) {
    seen.push(cursor.value)
    panes.removeEntry(7)
    select(backend, `again ${cursor.key}`)
    // Timers that fire register others.
    panes.set(8, 'later')
  }
  expect(seen.sort()).toEqual(names.sort())
  expect(panes.lowestNamespace()).toBe(8)
})

test('a small pane that grows while a cursor is in it loses no entry', () => {
  const { backend, panes } = panesOf()
  select(backend, 'first')
  panes.set(7, 'first')
  const cursor = panes.cursor(7)
  expect(cursor.next()).toBe(true)
  for (let index = 0; index < 500; index++) {
    select(backend, `k${index}`)
    panes.set(7, `k${index}`)
  }
  let count = 1
  while (cursor.next()) count++
  expect(count).toBe(501)
})

test('namespaces that come and go do not pile up', () => {
  const { backend, panes } = panesOf()
  select(backend, 'a')
  for (let at = 0; at < 10_000; at++) {
    panes.set(at, 'timer')
    expect(panes.lowestNamespace()).toBe(at)
    panes.removeEntry(at)
  }
  expect(panes.lowestNamespace()).toBe(Number.POSITIVE_INFINITY)
})
