import type { BroadcastState, BroadcastStateKey, ReadOnlyBroadcastState } from '../../api/broadcast-functions.ts'
import type { MapStateDescriptor } from '../../api/state.ts'
import type { BroadcastStateDescriptor } from '../../graph/operator-spec.ts'
import type { StoredBroadcastState } from '../../state/stored-broadcast-state.ts'
import type { OperatorContext } from '../operator.ts'

/** The broadcast states of one operator, by name. */
export class BroadcastStates {
  readonly #states: ReadonlyMap<string, StoredBroadcastState>

  constructor(descriptors: readonly BroadcastStateDescriptor[], { operatorState }: OperatorContext) {
    this.#states = new Map(
      descriptors.map((descriptor) => [descriptor.name, operatorState.broadcastState(descriptor)] as const),
    )
  }

  writable<K extends BroadcastStateKey, V>(descriptor: MapStateDescriptor<K, V>): BroadcastState<K, V> {
    return this.#stateOf(descriptor.name) as BroadcastState<never, unknown> as BroadcastState<K, V>
  }

  readOnly<K extends BroadcastStateKey, V>(descriptor: MapStateDescriptor<K, V>): ReadOnlyBroadcastState<K, V> {
    const { readOnly } = this.#stateOf(descriptor.name)
    return readOnly as ReadOnlyBroadcastState<never, unknown> as ReadOnlyBroadcastState<K, V>
  }

  #stateOf(name: string): StoredBroadcastState {
    const state = this.#states.get(name)
    if (state === undefined) throw new Error(`broadcast state "${name}" was not given to broadcast(…)`)
    return state
  }
}
