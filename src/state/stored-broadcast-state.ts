import type { BroadcastState, BroadcastStateKey, ReadOnlyBroadcastState } from '../api/broadcast-functions.ts'
import type { MapStateDescriptor, Stored } from '../api/state.ts'
import { canonicalKeyBytes, decodeKey } from '../common/key.ts'
import type { DataType, DeclaredType } from '../formats/data-type.ts'

/** How an entry stands in a checkpoint. */
interface StoredEntry {
  /** Canonical (R36), so that numbers, bigints and texts stay what they are. */
  readonly key: Uint8Array
  readonly value: unknown
}

/** Broadcast state of one subtask: a list of entries in checkpoints, a Map at work. */
export class StoredBroadcastState implements BroadcastState<BroadcastStateKey, unknown> {
  readonly readOnly: ReadOnlyBroadcastState<BroadcastStateKey, unknown>
  readonly #values = new Map<BroadcastStateKey, unknown>()

  constructor(restored: readonly unknown[]) {
    for (const { key, value } of restored as readonly StoredEntry[]) {
      this.#values.set(decodeKey(key, 0, key.length) as BroadcastStateKey, value)
    }
    this.readOnly = new ReadOnlyView(this)
  }

  get(key: BroadcastStateKey): Stored<unknown> | undefined {
    return this.#values.get(key) as Stored<unknown> | undefined
  }

  has(key: BroadcastStateKey): boolean {
    return this.#values.has(key)
  }

  put(key: BroadcastStateKey, value: unknown): void {
    // −0 equals 0 as a key of a Map, as in canonical bytes; what is no key is refused here and not at the next barrier.
    canonicalKeyBytes(key)
    this.#values.set(key, value)
  }

  remove(key: BroadcastStateKey): void {
    this.#values.delete(key)
  }

  clear(): void {
    this.#values.clear()
  }

  entries(): Iterable<readonly [BroadcastStateKey, Stored<unknown>]> {
    return this.#values as Iterable<readonly [BroadcastStateKey, Stored<unknown>]>
  }

  keys(): Iterable<BroadcastStateKey> {
    return iterable(() => this.#values.keys())
  }

  values(): Iterable<Stored<unknown>> {
    return iterable(() => this.#values.values() as IterableIterator<Stored<unknown>>)
  }

  isEmpty(): boolean {
    return this.#values.size === 0
  }

  /** What a checkpoint holds. */
  items(): readonly unknown[] {
    return Array.from(this.#values, ([key, value]): StoredEntry => ({ key: canonicalKeyBytes(key), value }))
  }
}

/** The type of the entries of a checkpoint. */
export function broadcastEntryType({ type }: MapStateDescriptor<BroadcastStateKey, unknown>): DataType<unknown> {
  if (type.kind === 'untyped') return type
  return {
    kind: 'record',
    name: 'BroadcastEntry',
    fields: [
      { name: 'key', type: { kind: 'bytes' } },
      { name: 'value', type: type as DeclaredType<unknown> },
    ],
  }
}

/** What the side of the other stream gets: it has no way to change anything. */
class ReadOnlyView implements ReadOnlyBroadcastState<BroadcastStateKey, unknown> {
  readonly #state: StoredBroadcastState

  constructor(state: StoredBroadcastState) {
    this.#state = state
  }

  get(key: BroadcastStateKey): Stored<unknown> | undefined {
    return this.#state.get(key)
  }

  has(key: BroadcastStateKey): boolean {
    return this.#state.has(key)
  }

  entries(): Iterable<readonly [BroadcastStateKey, Stored<unknown>]> {
    return iterable(() => this.#state.entries()[Symbol.iterator]())
  }

  keys(): Iterable<BroadcastStateKey> {
    return this.#state.keys()
  }

  values(): Iterable<Stored<unknown>> {
    return this.#state.values()
  }

  isEmpty(): boolean {
    return this.#state.isEmpty()
  }
}

/** May be walked through more than once, and shows nothing but its items. */
function iterable<Item>(iterator: () => Iterator<Item>): Iterable<Item> {
  return { [Symbol.iterator]: iterator }
}
