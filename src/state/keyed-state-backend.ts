import type { Key } from '../api/functions.ts'
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ListState,
  ListStateDescriptor,
  MapState,
  MapStateDescriptor,
  ReducingState,
  ReducingStateDescriptor,
  ValueState,
  ValueStateDescriptor,
} from '../api/state.ts'
import type { StateTtlConfig } from '../api/state-ttl.ts'
import { MillraceError } from '../common/errors.ts'
import type { KeyGroupRange } from '../common/key-groups.ts'
import type { Clock } from '../common/ports.ts'
import type { DataType, DeclaredType, RecordType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import type { AccumulatorOptions, AccumulatorState } from './accumulator-state.ts'
import { ByteTable } from './byte-table.ts'
import { ByteAccumulatorState, ByteValueStore } from './byte-table-stores.ts'
import type { CheckpointBarrier } from './checkpoint-record.ts'
import type { StateKind } from './chunk-layout.ts'
import type { Chunk } from './chunk-reader.ts'
import { CurrentKey } from './current-key.ts'
import type { Keyed } from './key-index.ts'
import { KeyedSnapshot } from './keyed-snapshot.ts'
import type { ManagedMemory } from './managed-memory.ts'
import { MapEntryTable } from './map-entry-table.ts'
import { numericLayoutOf, stampedLayoutOf } from './numeric-layout.ts'
import { type PaneOptions, PaneState } from './pane-state.ts'
import { loadChunks, RestoredStates } from './restored-states.ts'
import {
  StoredAggregatingState,
  StoredListState,
  StoredMapState,
  StoredReducingState,
  StoredValueState,
} from './state-objects.ts'
import { StateSerializer } from './state-serializer.ts'
import type { StateTable } from './state-table.ts'
import { StateVersion } from './state-version.ts'
import { type Stamped, TimeToLive } from './time-to-live.ts'
import { TtlListState } from './ttl-list-state.ts'
import { TtlMapState } from './ttl-map-state.ts'
import { TtlValueStore } from './ttl-value-store.ts'
import { stampedShape, valueReadersOf } from './value-reader.ts'
import { FreezingValueStore, MapAccumulatorState, MapValueStore, type ValueStore } from './value-store.ts'
import { type TableOptions, ValueTable } from './value-table.ts'

export type { AccumulatorOptions, AccumulatorState } from './accumulator-state.ts'
export type { PaneCursor, PaneOptions, PaneState } from './pane-state.ts'

export interface KeyedStateBackendOptions {
  readonly keyGroups: KeyGroupRange
  readonly maxParallelism: number
  readonly memory: ManagedMemory
  readonly operatorName: string
  /** Processing time, for state with a time to live. */
  readonly clock?: Pick<Clock, 'now'>
  /** For tests: what state hands out is frozen, so that changing it without `update` throws (R6). */
  readonly freezeValues?: boolean
}

/** What a restore gives to an empty backend. */
export interface RestoredKeyedState {
  /** The checkpoint whose own manifest may be a base; undefined: the next checkpoint writes everything (R1). */
  readonly base: number | undefined
  /** By state name, in the order of application within a key group. */
  readonly chunks: ReadonlyMap<string, readonly Chunk[]>
}

/** A registered state: the object that was handed out, and its table. */
interface Registration {
  readonly kind: StateKind
  readonly fingerprint: string
  readonly state: unknown
  readonly table: StateTable
}

const untyped: DataType<unknown> = { kind: 'untyped' }

/**
 * The keyed state of one operator in one subtask: tables by name, each by key group. Everything works on the current
 * key. One thread owns it. Names of the engine's own state begin with a dot, so that no user's state collides.
 */
export class KeyedStateBackend {
  readonly #options: KeyedStateBackendOptions
  readonly #currentKey: CurrentKey
  readonly #version = new StateVersion()
  readonly #registered = new Map<string, Registration>()
  readonly #cleanedOnRecord: (() => void)[] = []
  #restored = new RestoredStates(new Map())
  #snapshot: KeyedSnapshot | undefined

  constructor(options: KeyedStateBackendOptions) {
    this.#options = options
    this.#currentKey = new CurrentKey(options.keyGroups, options.maxParallelism)
  }

  get keyGroups(): KeyGroupRange {
    return this.#options.keyGroups
  }

  get currentKey(): Key {
    return this.#currentKey.key
  }

  /** `hash` is hashKey(key). A key that is a tuple or bytes must not be changed while it is current. */
  setCurrentKey(key: Key, hash: number): void {
    this.#currentKey.set(key, hash)
    if (this.#cleanedOnRecord.length > 0) for (const cleanUp of this.#cleanedOnRecord) cleanUp()
  }

  /**
   * State objects of user functions: the same object for the same name.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the state of that name has another kind or type
   */
  valueState<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> {
    return this.#register(descriptor, descriptor.type, (options, type) => {
      const { table, store } = this.#valueStore<T>(options, type)
      return { table, state: new StoredValueState(this.freezesValues ? new FreezingValueStore(store) : store) }
    })
  }

  listState<T>(descriptor: ListStateDescriptor<T>): ListState<T> {
    const { type } = descriptor
    const listType: DataType<unknown> =
      type.kind === 'untyped' ? untyped : { kind: 'array', items: type as DeclaredType<unknown> }
    return this.#register(descriptor, listType, (options): Table<ListState<T>> => {
      const table = new ValueTable(options)
      const { timeToLive } = options
      if (timeToLive === undefined) return { table, state: new StoredListState<T>(table, this.freezesValues) }
      return { table, state: new TtlListState<T>(table, { timeToLive, freezes: this.freezesValues }) }
    })
  }

  mapState<K extends string | number | bigint | boolean, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> {
    return this.#register(descriptor, descriptor.type, (options): Table<MapState<K, V>> => {
      const table = new MapEntryTable(options)
      const { timeToLive } = options
      if (timeToLive === undefined) return { table, state: new StoredMapState<K, V>(table, this.freezesValues) }
      return { table, state: new TtlMapState<K, V>(table, { timeToLive, freezes: this.freezesValues }) }
    })
  }

  reducingState<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> {
    return this.#register(descriptor, descriptor.type, (options, type) => {
      const { table, store } = this.#valueStore<T>(options, type)
      return { table, state: new StoredReducingState(store, descriptor.reduce, this.freezesValues) }
    })
  }

  aggregatingState<In, Accumulator, Out>(
    descriptor: AggregatingStateDescriptor<In, Accumulator, Out>,
  ): AggregatingState<In, Out> {
    const { aggregate } = descriptor
    return this.#register(descriptor, aggregate.accumulatorType ?? untyped, (options, type) => {
      const { table, store } = this.#valueStore<Accumulator>(options, type)
      return { table, state: new StoredAggregatingState(store, aggregate) }
    })
  }

  /** For running reduce and aggregate. */
  accumulators<A>(name: string, { create, type }: AccumulatorOptions<A>): AccumulatorState<A> {
    return this.#register(
      { kind: 'accumulator', name },
      type ?? untyped,
      (options, known): Table<AccumulatorState<A>> => {
        const bytes = this.#byteTable(options, known)
        if (bytes !== undefined) return { table: bytes, state: new ByteAccumulatorState(bytes, create) }
        const table = new ValueTable(options)
        return { table, state: new MapAccumulatorState(table, create) }
      },
    )
  }

  /**
   * The same state as `accumulators` of this name and type, for operators on columns, which find entries by the bytes of
   * their keys. A job may go from one to the other between runs.
   */
  accumulatorTable(name: string, type: RecordType<unknown>): ByteTable {
    return this.#register({ kind: 'accumulator', name }, type, (options, known) => {
      const table = this.#byteTable(options, known)
      if (table === undefined) throw new TypeError(`${typeText(type)} does not lie in columns`)
      return { table, state: table }
    })
  }

  /** For windows (namespace = window end) and timers (namespace = timestamp). */
  panes<A>(name: string, { type }: PaneOptions<A>): PaneState<A> {
    return this.#register({ kind: 'panes', name }, type ?? untyped, (options) => {
      const table = new PaneState<A>(options)
      return { table, state: table }
    })
  }

  /** Values by key and a second key, a window's for example, each an entry of its own. */
  entries(name: string, type: DataType<unknown>): MapEntryTable {
    return this.#register({ kind: 'map', name }, type, (options) => {
      const table = new MapEntryTable(options)
      return { table, state: table }
    })
  }

  /** Whether there is state of that name, asked for or only restored. */
  has(name: string): boolean {
    return this.#registered.has(name) || this.#restored.has(name)
  }

  /** Keys of this subtask that have something in the state of that name. */
  keysOf(name: string): readonly Keyed[] {
    return this.#registered.get(name)?.table.keysInUse?.() ?? []
  }

  /** Whether what state hands out is frozen. */
  get freezesValues(): boolean {
    return this.#options.freezeValues === true
  }

  /**
   * The synchronous part of a snapshot (R6): what is written is what is there now, however the state changes while the
   * snapshot drains. Cancels an undrained older one (R2).
   */
  snapshot(barrier: CheckpointBarrier): KeyedSnapshot {
    this.#snapshot?.cancel()
    const { lowestBase } = this.#version
    const snapshot = new KeyedSnapshot(barrier, lowestBase, this.#restored.pieces(), (emit) =>
      Array.from(this.#registered, ([stateName, { table }]) => ({
        stateName,
        snapshot: table.snapshot(barrier.id, emit),
      })),
    )
    this.#version.barrier(barrier.id)
    this.#snapshot = snapshot
    return snapshot
  }

  /** Before any state is asked for. */
  restore({ base, chunks }: RestoredKeyedState): void {
    if (base !== undefined) this.#version.startFrom(base)
    this.#restored = new RestoredStates(chunks)
  }

  /** The attempt ends: cancels what drains and gives back managed memory. */
  dispose(): void {
    this.#snapshot?.cancel()
    for (const { table } of this.#registered.values()) table.release()
    this.#registered.clear()
  }

  #register<State>(
    wanted: WantedDescriptor,
    type: DataType<unknown>,
    build: (options: TableOptions, type: DataType<unknown>) => Table<State>,
  ): State {
    const { operatorName, keyGroups, maxParallelism } = this.#options
    const { name, kind } = wanted
    const timeToLive = this.#timeToLiveOf(wanted)
    const isList = kind === 'list'
    const stamped = timeToLive === undefined ? undefined : stampedShape(isList)
    const serializer = new StateSerializer(type, { stateName: name, operatorName, stamped })
    const known = this.#registered.get(name)
    if (known !== undefined) {
      if (known.kind === kind && known.fingerprint === serializer.fingerprint) return known.state as State
      throw new MillraceError(
        'MR_STATE_INCOMPATIBLE',
        `State "${name}" of operator "${operatorName}" is asked for twice, as ${known.kind} and as ${kind} state or with two types.`,
        { operator: operatorName },
      )
    }
    const readers = new Map(
      valueReadersOf({ type, isList, timeToLive, serializer }).map((reader) => [reader.fingerprint, reader]),
    )
    const chunks = this.#restored.take({ name, kind, serializer, readers, operatorName })
    const subject = { stateName: name, kind, serializer }
    const currentKey = this.#currentKey
    const options = { subject, version: this.#version, keyGroups, maxParallelism, currentKey, timeToLive }
    const { state, table } = build(options, type)
    loadChunks(chunks, table, { keyGroups, readers })
    if (timeToLive?.cleansOnEveryRecord === true) {
      this.#cleanedOnRecord.push(() => table.cleanUp(timeToLive.entriesPerAccess))
    }
    this.#registered.set(name, { kind, fingerprint: serializer.fingerprint, state, table })
    return state
  }

  #timeToLiveOf({ name, ttl }: WantedDescriptor): TimeToLive | undefined {
    const { clock } = this.#options
    if (ttl === undefined) return undefined
    if (clock === undefined) throw new MillraceError('MR_INTERNAL', `State "${name}" has a time to live, but no clock.`)
    return new TimeToLive(ttl, () => clock.now())
  }

  #valueStore<T>(options: TableOptions, type: DataType<unknown>): { table: StateTable; store: ValueStore<T> } {
    const { timeToLive } = options
    if (timeToLive === undefined) return this.#plainStore<T>(options, type)
    const { table, store } = this.#plainStore<Stamped<T>>(options, type)
    const cleanUp = (): void => table.cleanUp(timeToLive.entriesPerAccess)
    return { table, store: new TtlValueStore(store, timeToLive, cleanUp) }
  }

  #plainStore<T>(options: TableOptions, type: DataType<unknown>): { table: StateTable; store: ValueStore<T> } {
    const bytes = this.#byteTable(options, type)
    if (bytes !== undefined) return { table: bytes, store: new ByteValueStore(bytes) }
    const table = new ValueTable(options)
    return { table, store: new MapValueStore(table) }
  }

  /** Declared records of numbers, and numbers, live off the heap; everything else, such as records with strings, on it. */
  #byteTable(options: TableOptions, type: DataType<unknown>): ByteTable | undefined {
    const layout = options.timeToLive === undefined ? numericLayoutOf(type) : stampedLayoutOf(type)
    if (layout === undefined) return undefined
    const owner = `State "${options.subject.stateName}" of operator "${this.#options.operatorName}"`
    return new ByteTable({ ...options, layout, memory: this.#options.memory, owner })
  }
}

interface WantedDescriptor {
  readonly kind: StateKind
  readonly name: string
  readonly ttl?: StateTtlConfig
}

interface Table<State> {
  readonly table: StateTable
  readonly state: State
}
