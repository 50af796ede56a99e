import type { BroadcastStateKey } from '../api/broadcast-functions.ts'
import type { MapStateDescriptor, OperatorListState, OperatorListStateDescriptor } from '../api/state.ts'
import { MillraceError } from '../common/errors.ts'
import type { Serializer } from '../formats/serializer.ts'
import { noKeyGroup } from './chunk-layout.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { RawSerializer } from './raw-serializer.ts'
import { StateSerializer } from './state-serializer.ts'
import { broadcastEntryType, StoredBroadcastState } from './stored-broadcast-state.ts'

/** `broadcast`: the same in every subtask, so that each takes one old subtask's. */
export type Redistribution = 'even-split' | 'union' | 'broadcast'

/** All operator state of one operator, serialised at the barrier. */
export interface OperatorStateSnapshot {
  readonly states: readonly OperatorStateList[]
}

export interface OperatorStateList {
  readonly name: string
  readonly redistribution: Redistribution
  /** A chunk (docs/chunk-format.md), each item a row. */
  readonly bytes: Buffer
}

/** A list as it was read back: this subtask's share. */
export interface RestoredList {
  readonly redistribution: Redistribution
  readonly schemaText: string
  readonly fingerprint: string
  readonly items: readonly Uint8Array[]
}

interface List {
  readonly redistribution: Redistribution
  readonly serializer: Serializer<unknown>
  readonly state: StoredItems
}

/** What stands behind a list in checkpoints. Two implementations: lists of functions, and broadcast state. */
interface StoredItems {
  items(): readonly unknown[]
}

const noBytes = new Uint8Array(0)

/** Lists that are redistributed when the parallelism changes. One thread owns it. */
export class OperatorStateBackend {
  readonly operatorName: string
  readonly #lists = new Map<string, List>()
  readonly #restored = new Map<string, RestoredList>()

  constructor(operatorName: string) {
    this.operatorName = operatorName
  }

  /**
   * The same object for the same name.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the list has another type or redistribution
   */
  listState<T>(descriptor: OperatorListStateDescriptor<T>): OperatorListState<T> {
    const { name, redistribution, type } = descriptor
    const serializer = new StateSerializer<unknown>(type, { stateName: name, operatorName: this.operatorName })
    const known = this.#lists.get(name)
    if (known !== undefined) {
      this.#check(name, { redistribution, ...schemaOf(serializer) }, { ...known, ...schemaOf(known.serializer) })
      return known.state as StoredOperatorList as OperatorListState<unknown> as OperatorListState<T>
    }
    const state = new StoredOperatorList(this.#takeRestored(name, redistribution, serializer))
    this.#lists.set(name, { redistribution, serializer, state })
    return state as OperatorListState<unknown> as OperatorListState<T>
  }

  /**
   * Broadcast state, which every subtask has alike; the same object for the same name.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the restored state of that name has another type
   */
  broadcastState(descriptor: MapStateDescriptor<BroadcastStateKey, unknown>): StoredBroadcastState {
    const { name } = descriptor
    const serializer = new StateSerializer<unknown>(broadcastEntryType(descriptor), {
      stateName: name,
      operatorName: this.operatorName,
    })
    const known = this.#lists.get(name)
    if (known !== undefined) {
      this.#check(
        name,
        { redistribution: 'broadcast', ...schemaOf(serializer) },
        { ...known, ...schemaOf(known.serializer) },
      )
      return known.state as StoredBroadcastState
    }
    const state = new StoredBroadcastState(this.#takeRestored(name, 'broadcast', serializer))
    this.#lists.set(name, { redistribution: 'broadcast', serializer, state })
    return state
  }

  snapshot(): OperatorStateSnapshot {
    const states: OperatorStateList[] = []
    for (const [name, { redistribution, serializer, state }] of this.#lists) {
      const bytes = chunkOf(name, serializer, state.items())
      if (bytes !== undefined) states.push({ name, redistribution, bytes })
    }
    for (const [name, { redistribution, schemaText, fingerprint, items }] of this.#restored) {
      const bytes = chunkOf(name, new RawSerializer(schemaText, fingerprint) as Serializer<unknown>, items)
      if (bytes !== undefined) states.push({ name, redistribution, bytes })
    }
    return { states }
  }

  /** Before any list is asked for. */
  restore(lists: ReadonlyMap<string, RestoredList>): void {
    for (const [name, list] of lists) this.#restored.set(name, list)
  }

  #takeRestored(name: string, redistribution: Redistribution, serializer: Serializer<unknown>): unknown[] {
    const restored = this.#restored.get(name)
    if (restored === undefined) return []
    this.#check(name, { redistribution, ...schemaOf(serializer) }, restored)
    this.#restored.delete(name)
    return restored.items.map((bytes) => serializer.decode(bytes, 0, bytes.length))
  }

  #check(name: string, wanted: ListTraits, existing: ListTraits): void {
    const where = `Operator state "${name}" of operator "${this.operatorName}"`
    const options = { operator: this.operatorName }
    if (existing.fingerprint !== wanted.fingerprint) {
      const message = `${where} has type ${existing.schemaText}, but type ${wanted.schemaText} is asked for.`
      throw new MillraceError('MR_STATE_INCOMPATIBLE', message, options)
    }
    if (existing.redistribution !== wanted.redistribution) {
      const message = `${where} is redistributed by ${existing.redistribution}, but ${wanted.redistribution} is asked for.`
      throw new MillraceError('MR_STATE_INCOMPATIBLE', message, options)
    }
  }
}

interface ListTraits {
  readonly redistribution: Redistribution
  readonly schemaText: string
  readonly fingerprint: string
}

function schemaOf({ schemaText, fingerprint }: Serializer<unknown>) {
  return { schemaText, fingerprint }
}

function chunkOf(name: string, serializer: Serializer<unknown>, items: readonly unknown[]): Buffer | undefined {
  if (items.length === 0) return undefined
  const writer = new ChunkWriter({ stateName: name, kind: 'operator-list', serializer })
  writer.begin(noKeyGroup, 'full', { dropped: 0, removed: 0 })
  for (const item of items) {
    writer.keyBytes(noBytes, 0, 0)
    writer.value(item)
  }
  return writer.finish()
}

class StoredOperatorList implements OperatorListState<unknown>, StoredItems {
  #items: unknown[]

  constructor(items: unknown[]) {
    this.#items = items
  }

  get(): readonly unknown[] {
    return this.#items.slice()
  }

  items(): readonly unknown[] {
    return this.#items
  }

  add(value: unknown): void {
    this.#items.push(value)
  }

  update(values: Iterable<unknown>): void {
    this.#items = [...values]
  }

  clear(): void {
    this.#items = []
  }
}
