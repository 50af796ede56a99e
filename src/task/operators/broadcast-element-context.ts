import type {
  BroadcastContext,
  BroadcastState,
  BroadcastStateKey,
  KeyedBroadcastContext,
  KeyedStateDescriptor,
  StateOf,
} from '../../api/broadcast-functions.ts'
import type { Key } from '../../api/functions.ts'
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  ValueStateDescriptor,
} from '../../api/state.ts'
import { detachedKey } from '../../state/current-key.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { OperatorContext } from '../operator.ts'
import type { BroadcastStates } from './broadcast-states.ts'
import type { CurrentKeyGuard } from './current-key-guard.ts'
import { ElementContext } from './element-context.ts'

/** The state of the other stream, where that is keyed. */
export interface KeyedSide {
  readonly keyedState: KeyedStateBackend
  readonly guard: CurrentKeyGuard
}

/** What a record of the broadcast stream sees. */
export class BroadcastElementContext extends ElementContext implements BroadcastContext, KeyedBroadcastContext<Key> {
  readonly #states: BroadcastStates
  readonly #keyed: KeyedSide | undefined

  constructor(context: OperatorContext, states: BroadcastStates, keyed: KeyedSide | undefined) {
    super(context)
    this.#states = states
    this.#keyed = keyed
  }

  broadcastState<K extends BroadcastStateKey, V>(descriptor: MapStateDescriptor<K, V>): BroadcastState<K, V> {
    return this.#states.writable(descriptor)
  }

  applyToKeyedState<Descriptor extends KeyedStateDescriptor>(
    descriptor: Descriptor,
    apply: (key: Key, state: StateOf<Descriptor>) => void,
  ): void {
    if (this.#keyed === undefined) return
    const { keyedState, guard } = this.#keyed
    const state = stateOf(keyedState, descriptor) as StateOf<Descriptor>
    for (const { key, hash } of keyedState.keysOf(descriptor.name)) {
      keyedState.setCurrentKey(key, hash)
      guard.withKey(() => apply(detachedKey(key), state))
    }
  }
}

function stateOf(keyedState: KeyedStateBackend, descriptor: KeyedStateDescriptor): unknown {
  switch (descriptor.kind) {
    case 'value':
      return keyedState.valueState(descriptor as ValueStateDescriptor<unknown>)
    case 'list':
      return keyedState.listState(descriptor as ListStateDescriptor<unknown>)
    case 'map':
      return keyedState.mapState(descriptor as MapStateDescriptor<string, unknown>)
    case 'reducing':
      return keyedState.reducingState(descriptor as ReducingStateDescriptor<unknown>)
    case 'aggregating':
      return keyedState.aggregatingState(descriptor as AggregatingStateDescriptor<unknown, unknown, unknown>)
    default: {
      const never: never = descriptor.kind
      throw new TypeError(`unknown state ${String(never)}`)
    }
  }
}
