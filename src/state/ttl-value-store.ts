import { Stamped, type TimeToLive } from './time-to-live.ts'
import type { ValueStore } from './value-store.ts'

/** One value a key, with a time to live. */
export class TtlValueStore<T> implements ValueStore<T> {
  readonly #store: ValueStore<Stamped<T>>
  readonly #timeToLive: TimeToLive
  readonly #cleanUp: () => void

  /** `cleanUp`: looks at some entries of the state. */
  constructor(store: ValueStore<Stamped<T>>, timeToLive: TimeToLive, cleanUp: () => void) {
    this.#store = store
    this.#timeToLive = timeToLive
    this.#cleanUp = cleanUp
  }

  get readsFresh(): boolean {
    return this.#store.readsFresh
  }

  read(): T | undefined {
    this.#cleanUp()
    const stamped = this.#store.read()
    if (stamped === undefined) return undefined
    const { lastAccessMs, value } = stamped
    if (this.#timeToLive.isExpired(lastAccessMs)) {
      this.#store.expire()
      return this.#timeToLive.returnsExpired ? value : undefined
    }
    if (this.#timeToLive.renewsOnRead) this.#renew(stamped)
    return value
  }

  readToCombine(): T | undefined {
    this.#cleanUp()
    const stamped = this.#store.read()
    return stamped === undefined || this.#timeToLive.isExpired(stamped.lastAccessMs) ? undefined : stamped.value
  }

  write(value: T): void {
    this.#store.write(new Stamped(this.#timeToLive.nowMs(), value))
  }

  remove(): void {
    this.#store.remove()
  }

  expire(): void {
    this.#store.expire()
  }

  #renew({ lastAccessMs, value }: Stamped<T>): void {
    const now = this.#timeToLive.nowMs()
    if (now > lastAccessMs) this.#store.write(new Stamped(now, value))
  }
}
