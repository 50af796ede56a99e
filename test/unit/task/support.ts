import { checkpointId } from '../../../src/common/ids.ts'
import type { Clock, Timer } from '../../../src/common/ports.ts'
import type { CheckpointBarrier } from '../../../src/state/checkpoint-record.ts'
import { InputChannel } from '../../../src/task/input-channel.ts'
import { LocalConnection, OutputChannel } from '../../../src/task/output-channel.ts'

export const barrier = (id: number): CheckpointBarrier => ({
  id: checkpointId(id),
  base: checkpointId(0),
  kind: 'checkpoint',
})

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #now = 1_000_000
  readonly #timers = new Set<{ readonly at: number; readonly action: () => void }>()

  now(): number {
    return this.#now
  }

  monotonicMs(): number {
    return this.#now
  }

  schedule(delayMs: number, action: () => void): Timer {
    const timer = { at: this.#now + delayMs, action }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** Moves on and runs what is due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((left, right) => left.at - right.at)[0]
      if (due === undefined) break
      this.#now = Math.max(this.#now, due.at)
      this.#timers.delete(due)
      due.action()
    }
    this.#now = until
  }
}

/** Both ends of a channel inside a slot. */
export function localChannel(hashed = false): { readonly input: InputChannel; readonly output: OutputChannel } {
  const input = new InputChannel()
  return { input, output: new OutputChannel(new LocalConnection(input, hashed), hashed) }
}
