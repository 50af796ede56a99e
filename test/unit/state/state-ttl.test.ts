import { expect, test } from 'vitest'
import {
  aggregatingStateDescriptor,
  listStateDescriptor,
  mapStateDescriptor,
  reducingStateDescriptor,
  valueStateDescriptor,
} from '../../../src/api/descriptors.ts'
import type { StateTtlConfig } from '../../../src/api/state-ttl.ts'
import { hashKey } from '../../../src/common/key.ts'
import { int32, string } from '../../../src/formats/index.ts'
import type { KeyedStateBackend } from '../../../src/state/keyed-state-backend.ts'
import { MemoryBlobStore } from '../../../src/state/memory-blob-store.ts'
import { ScopedStateStore } from '../../../src/state/scoped-state-store.ts'
import { backendOf, checkpointOf, restoreInto, snapshotsIn } from './support/one-operator.ts'
import { readAll, type TtlSettings, ttlStatesOf } from './support/ttl-states.ts'

const onceMore: StateTtlConfig = { timeToLive: 100, visibility: 'returnExpiredIfNotCleanedUp' }

function timed(time = 0) {
  const clock = { time, now: () => clock.time }
  const backend = backendOf({ clock })
  use(backend, 'a')
  return { clock, backend }
}

function use(backend: KeyedStateBackend, key: string): void {
  backend.setCurrentKey(key, hashKey(key))
}

test('returnExpiredIfNotCleanedUp gives what has expired once, unless it was removed in passing', () => {
  const { clock, backend } = timed()
  const ttl = { ...onceMore, incrementalCleanup: false } as const
  const value = backend.valueState(valueStateDescriptor('value', int32(), { ttl }))
  const list = backend.listState(listStateDescriptor('list', string(), { ttl }))
  const map = backend.mapState(mapStateDescriptor<string, number>('map', int32(), { ttl }))
  value.update(1)
  list.add('old')
  map.put('x', 2)
  clock.time = 50
  list.add('new')
  clock.time = 100
  expect([value.value(), value.value()]).toEqual([1, undefined])
  expect([list.get(), list.get()]).toEqual([['old', 'new'], ['new']])
  expect(map.isEmpty()).toBe(false)
  expect([[...map.entries()], [...map.entries()], map.isEmpty()]).toEqual([[['x', 2]], [], true])
})

test('what is added is never combined with what has expired, even where that may be returned', () => {
  const { clock, backend } = timed()
  const sum = (left: number, right: number): number => left + right
  const total = { createAccumulator: () => 0, add: sum, getResult: (accumulator: number) => accumulator }
  const ttl = { ...onceMore, incrementalCleanup: false } as const
  const reducing = backend.reducingState(reducingStateDescriptor<number>('reducing', sum, undefined, { ttl }))
  const aggregating = backend.aggregatingState(aggregatingStateDescriptor('aggregating', total, { ttl }))
  reducing.add(1)
  aggregating.add(1)
  clock.time = 99
  reducing.add(1)
  aggregating.add(1)
  clock.time = 199
  reducing.add(5)
  aggregating.add(5)
  expect([reducing.get(), aggregating.get()]).toEqual([5, 5])
})

test.each([{ declared: true }, { declared: false }])(
  'expired entries go in passing, without being read, and are in no checkpoint after that (declared: $declared)',
  async ({ declared }) => {
    const { clock, backend } = timed()
    const blobStore = new MemoryBlobStore()
    const ttl: StateTtlConfig = { timeToLive: 100, incrementalCleanup: { entriesPerAccess: 3 } }
    const type = declared ? int32() : undefined
    const state = backend.valueState(valueStateDescriptor<number>('value', type, { ttl }))
    for (let index = 0; index < 1000; index++) {
      use(backend, `key ${index}`)
      state.update(index)
    }
    const snapshots = snapshotsIn(blobStore)
    const sizeOf = async (id: number): Promise<number> => {
      const { operators } = await checkpointOf(backend, snapshots, { id, blobStore })
      return operators[0]?.keyedStates[0]?.pieces.reduce((sum, { length }) => sum + length, 0) ?? 0
    }
    expect(await sizeOf(1)).toBeGreaterThan(10_000)
    clock.time = 100
    expect(await sizeOf(2)).toBe(0)
    use(backend, 'fresh')
    for (let access = 0; access < 400; access++) state.value()
    // The clock goes back: what is still in memory would show.
    clock.time = 0
    for (let index = 0; index < 1000; index++) {
      use(backend, `key ${index}`)
      expect(state.value()).toBeUndefined()
    }
  },
)

test('with onEveryRecord entries go while records do not use the state', () => {
  const { clock, backend } = timed()
  const ttl: StateTtlConfig = { timeToLive: 100, incrementalCleanup: { entriesPerAccess: 2, onEveryRecord: true } }
  const map = backend.mapState(mapStateDescriptor<number, number>('map', undefined, { ttl }))
  for (let index = 0; index < 10; index++) map.put(index, index)
  clock.time = 100
  for (let record = 0; record < 50; record++) use(backend, 'b')
  clock.time = 0
  use(backend, 'a')
  expect(map.isEmpty()).toBe(true)
})

const plain: TtlSettings = { ttl: undefined, declared: false }
const limited: TtlSettings = { ttl: { timeToLive: 100, incrementalCleanup: false }, declared: false }

test.each([{ declared: true }, { declared: false }])(
  'a time to live may be given to state that exists, and taken from it: nothing is lost (declared: $declared)',
  async ({ declared }) => {
    const blobStore = new MemoryBlobStore()
    const { backend } = timed()
    const states = ttlStatesOf(backend, { ...plain, declared })
    states.value.update(1)
    states.list.addAll([1, 2])
    states.map.put(3, 30)
    states.reducing.add(4)
    states.aggregating.add(5)
    const expected = readAll(states)
    const first = await checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })

    // Enabled: the time begins at the restore, and stays what it is from then on.
    const second = timed(1000)
    await restoreInto(second.backend, blobStore, { manifest: first, isBase: true })
    const enabled = ttlStatesOf(second.backend, { ...limited, declared })
    second.clock.time = 1050
    const snapshots = snapshotsIn(blobStore, 'second', first)
    const withTtl = await checkpointOf(second.backend, snapshots, { id: 2, base: 1, blobStore })
    expect(readAll(enabled)).toEqual(expected)
    second.clock.time = 1100
    expect(readAll(enabled)).toEqual({ list: [], map: [], isEmpty: true })

    const later = timed(1099)
    await restoreInto(later.backend, blobStore, { manifest: withTtl })
    expect(readAll(ttlStatesOf(later.backend, { ...limited, declared }))).toEqual(expected)
    const tooLate = timed(1100)
    await restoreInto(tooLate.backend, blobStore, { manifest: withTtl })
    expect(readAll(ttlStatesOf(tooLate.backend, { ...limited, declared }))).toMatchObject({ list: [], isEmpty: true })

    // Disabled: whatever is in the checkpoint stays for ever.
    const third = timed(5000)
    await restoreInto(third.backend, blobStore, { manifest: withTtl, isBase: true })
    const disabled = ttlStatesOf(third.backend, { ...plain, declared })
    expect(readAll(disabled)).toEqual(expected)
    const thirdSnapshots = snapshotsIn(blobStore, 'third', withTtl)
    const without = await checkpointOf(third.backend, thirdSnapshots, { id: 3, base: 2, blobStore })
    const fourth = timed(9000)
    await restoreInto(fourth.backend, blobStore, { manifest: without })
    expect(readAll(ttlStatesOf(fourth.backend, { ...plain, declared }))).toEqual(expected)
  },
)

test('state of another type is refused with a time to live as without', async () => {
  const blobStore = new MemoryBlobStore()
  const { backend } = timed()
  backend.valueState(valueStateDescriptor('value', int32(), { ttl: { timeToLive: '1h' } })).update(1)
  const manifest = await checkpointOf(backend, snapshotsIn(blobStore), { id: 1, blobStore })
  const other = timed()
  await restoreInto(other.backend, blobStore, { manifest })
  expect(() =>
    other.backend.valueState(valueStateDescriptor('value', string(), { ttl: { timeToLive: '1h' } })),
  ).toThrow('State "value" of operator "sample" has type {"name":"WithTimeToLive"')
})

test('a cleared value does not come back, though an older checkpoint holds one that expired without a tombstone', async () => {
  const blobStore = new MemoryBlobStore()
  const { clock, backend } = timed()
  const snapshots = snapshotsIn(blobStore)
  const short = { timeToLive: 100 }
  const state = backend.valueState(valueStateDescriptor<number>('value', undefined, { ttl: short }))
  state.update(1)
  await checkpointOf(backend, snapshots, { id: 1, blobStore })
  clock.time = 100
  expect(state.value()).toBeUndefined()
  state.update(2)
  state.clear()
  const manifest = await checkpointOf(backend, snapshots, { id: 2, base: 1, blobStore })
  const restored = timed(100)
  await restoreInto(restored.backend, blobStore, { manifest })
  expect(
    restored.backend.valueState(valueStateDescriptor('value', undefined, { ttl: { timeToLive: '1h' } })).value(),
  ).toBeUndefined()
})

test('state of windows has no time to live: it ends with them', () => {
  const windows = new ScopedStateStore(timed().backend, 'windows')
  const seen = valueStateDescriptor<number>('seen', undefined, { ttl: { timeToLive: '1h' } })
  expect(() => windows.valueState(seen)).toThrow('State "seen" of windows has a time to live')
})

test('a wrong time to live is refused where it is declared, by the name of the state', () => {
  const withTtl = (ttl: StateTtlConfig) => () => valueStateDescriptor('seen', undefined, { ttl })
  expect(withTtl({ timeToLive: 0 })).toThrow('timeToLive of state "seen": 0 is not more than 0')
  expect(withTtl({ timeToLive: 'soon' })).toThrow('timeToLive of state "seen": "soon" is no duration')
  expect(withTtl({ timeToLive: '1h', incrementalCleanup: { entriesPerAccess: 0 } })).toThrow(
    'entriesPerAccess of state "seen": 0 is no number from 1',
  )
})
