import { MillraceError } from '../../common/errors.ts'

/** Refuses keyed state where there is no current key: it would be that of whatever record came last. */
export class CurrentKeyGuard {
  #hasKey = true

  withoutKey(call: () => void): void {
    this.#call(false, call)
  }

  withKey(call: () => void): void {
    this.#call(true, call)
  }

  /** The same state, each of whose methods needs a key. */
  guarded<State extends object>(state: State, name: string): State {
    const guarded: Record<PropertyKey, unknown> = {}
    for (const method of methodsOf(state)) {
      const call = Reflect.get(state, method) as (...values: readonly unknown[]) => unknown
      guarded[method] = (...values: readonly unknown[]) => {
        if (!this.#hasKey) throw noCurrentKey(name)
        return Reflect.apply(call, state, values)
      }
    }
    return guarded as State
  }

  #call(hasKey: boolean, call: () => void): void {
    const before = this.#hasKey
    this.#hasKey = hasKey
    try {
      call()
    } finally {
      this.#hasKey = before
    }
  }
}

function methodsOf(state: object): ReadonlySet<string | symbol> {
  const names = new Set<string | symbol>()
  for (let type = Reflect.getPrototypeOf(state); type !== null && type !== Object.prototype; ) {
    for (const name of Reflect.ownKeys(type)) if (name !== 'constructor') names.add(name)
    type = Reflect.getPrototypeOf(type)
  }
  return names
}

function noCurrentKey(name: string): MillraceError {
  return new MillraceError(
    'MR_NO_CURRENT_KEY',
    `keyed state "${name}" was used with a broadcast record, which has no key; context.applyToKeyedState reaches the state of every key`,
  )
}
