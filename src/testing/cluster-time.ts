import { MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import { systemClock } from '../common/system-ports.ts'
import { turn } from '../task/turn.ts'
import { VirtualClock } from './virtual-clock.ts'

/**
 * How time passes in a test cluster. `automatic`: virtual; while a test waits and everything in the cluster waits too, the
 * clock jumps to the next moment at which something is due. `manual`: virtual, moved by `advanceTime` alone. `system`: the
 * machine's own clock, for jobs that talk to something real.
 */
export type TestTime = 'automatic' | 'manual' | 'system'

interface Waiter {
  readonly condition: () => boolean
  readonly describe: () => string
  /** Of the cluster's clock, monotonic milliseconds. */
  readonly deadlineMs: number
  readonly realDeadlineMs: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Turns of the event loop in a row in which no slot has anything to do. What runs by promises alone is done within one. */
const quietTurns = 2
/** Work of sinks that takes longer, in real time, is waited for no more: a test may want to see what then times out. */
const longestWorkMs = 1000

const limitMs = { automatic: 3_600_000, manual: Number.POSITIVE_INFINITY, system: 30_000 } as const
/** However time passes: a test that waits longer is stuck. */
const realLimitMs = 30_000

/** The clock of a test cluster, and what moves it. */
export class ClusterTime {
  readonly mode: TestTime
  readonly clock: Clock
  readonly #virtual: VirtualClock | undefined
  readonly #waiters = new Set<Waiter>()
  #slotTurns = 0
  #waitingSlots = 0
  readonly #extraTurns: () => number
  #quiet = 0
  /** Promises of sinks that are on their way, by the real time of their beginning. */
  readonly #working = new Map<Promise<unknown>, number>()
  /** The same of asynchronous functions. */
  readonly #calls = new Map<Promise<unknown>, number>()
  /** Waits for the cluster's own clock, in work: then it is what the calls wait for. */
  #delays = 0
  #driving = false
  /** Calls of `advance` in work: they move the clock, nobody else. */
  #advancing = 0

  /** `extraTurns`: that a slot has to wait before its next one. */
  constructor(mode: TestTime, startMs: number, extraTurns: () => number = () => 0) {
    this.mode = mode
    this.#extraTurns = extraTurns
    this.#virtual = mode === 'system' ? undefined : new VirtualClock(startMs)
    // A copy: what belongs to one cluster is found by its clock.
    this.clock = this.#virtual ?? { ...systemClock }
  }

  /** The turn that a slot asks for when it has more to do. */
  async slotTurn(): Promise<void> {
    this.#slotTurns++
    this.#waitingSlots++
    for (let more = this.#extraTurns(); more > 0; more--) await turn()
    await turn()
    this.#waitingSlots--
  }

  /** What a sink does outside of the slots' loops, such as writing a file: time stands still meanwhile. */
  track<T>(work: Promise<T>): Promise<T> {
    return tracked(work, this.#working)
  }

  /** The same for a call of an asynchronous function, which may also wait for time itself. */
  trackCall<T>(call: Promise<T>): Promise<T> {
    return tracked(call, this.#calls)
  }

  /** Resolves when the cluster's clock has moved on by this. */
  async delay(durationMs: number): Promise<void> {
    this.#delays++
    await new Promise<void>((resolve) => this.clock.schedule(durationMs, resolve))
    this.#delays--
  }

  /** Until nothing is left to do at this moment. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; ) {
      quiet = (await this.#quietTurn()) ? quiet + 1 : 0
    }
  }

  /**
   * Moves virtual time; what is due on the way happens at its time, and everything that follows from it before the next.
   * @throws MillraceError MR_TEST where the clock is the machine's own
   */
  async advance(durationMs: number): Promise<void> {
    const clock = this.#virtual
    if (clock === undefined) throw new MillraceError('MR_TEST', "time: 'system' can not be moved by a test")
    this.#advancing++
    try {
      await this.settled()
      const target = clock.now() + durationMs
      for (let due = clock.nextDueMs; due <= target; due = clock.nextDueMs) {
        clock.advanceTo(due)
        await this.settled()
      }
      clock.advanceTo(target)
      await this.settled()
    } finally {
      this.#advancing--
    }
  }

  /** Moves virtual time at once, whatever is still to be done at this moment. */
  move(durationMs: number): void {
    this.#virtual?.advanceTo(this.#virtual.now() + durationMs)
  }

  /** Lets the cluster go on until the condition holds. `describe`: how things stand, for the error when it never does. */
  until(condition: () => boolean, describe: () => string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const deadlineMs = this.clock.monotonicMs() + limitMs[this.mode]
    const realDeadlineMs = systemClock.monotonicMs() + realLimitMs
    this.#waiters.add({ condition, describe, deadlineMs, realDeadlineMs, resolve, reject })
    if (!this.#driving) void this.#drive()
    return promise
  }

  async #drive(): Promise<void> {
    this.#driving = true
    while (this.#releaseWaiters()) await this.#step()
    this.#driving = false
  }

  /** False: nobody waits any more. */
  #releaseWaiters(): boolean {
    for (const waiter of this.#waiters) {
      try {
        if (waiter.condition()) waiter.resolve()
        else if (this.#isTooLong(waiter)) waiter.reject(this.#tooLong(waiter))
        else continue
      } catch (error) {
        waiter.reject(error)
      }
      this.#waiters.delete(waiter)
    }
    return this.#waiters.size > 0
  }

  async #step(): Promise<void> {
    this.#quiet = (await this.#quietTurn()) ? this.#quiet + 1 : 0
    if (this.#quiet < quietTurns) return
    this.#quiet = 0
    await this.#jump()
  }

  /** One turn of the event loop; true: nobody had anything to do. */
  async #quietTurn(): Promise<boolean> {
    const before = this.#slotTurns
    await turn()
    if (this.#slotTurns !== before || this.#waitingSlots > 0) return false
    const oldest = systemClock.monotonicMs() - longestWorkMs
    const works = (since: number): boolean => since > oldest
    return !this.#working.values().some(works) && (this.#delays > 0 || !this.#calls.values().some(works))
  }

  async #jump(): Promise<void> {
    const clock = this.#virtual
    const nextMs = clock?.nextDueMs ?? Number.POSITIVE_INFINITY
    const moves = clock !== undefined && this.mode === 'automatic' && nextMs !== Number.POSITIVE_INFINITY
    if (!moves) await realMillisecond()
    else if (this.#advancing === 0) clock.advanceTo(nextMs)
  }

  #isTooLong({ deadlineMs, realDeadlineMs }: Waiter): boolean {
    return this.clock.monotonicMs() > deadlineMs || systemClock.monotonicMs() > realDeadlineMs
  }

  #tooLong({ describe, deadlineMs }: Waiter): MillraceError {
    const virtual = this.clock.monotonicMs() > deadlineMs && this.mode !== 'system'
    const limit = virtual ? `${limitMs[this.mode]} ms of virtual time` : `${realLimitMs} ms`
    return new MillraceError('MR_TEST', `what the test waits for has not come within ${limit}: ${describe()}`)
  }
}

function tracked<T>(work: Promise<T>, works: Map<Promise<unknown>, number>): Promise<T> {
  const done = (): void => void works.delete(work)
  works.set(work, systemClock.monotonicMs())
  work.then(done, done)
  return work
}

function realMillisecond(): Promise<void> {
  return new Promise((resolve) => {
    systemClock.schedule(1, resolve)
  })
}
