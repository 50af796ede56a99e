import type { LeaderToken } from '../../src/common/ids.ts'
import { epochOf } from '../../src/common/ids.ts'
import { decide } from '../../src/coordinator/election/decide.ts'
import { decideLease, type LeaseEffect, type LeaseMessage, newLease } from '../../src/coordinator/election/lease.ts'
import {
  type ElectionEffect,
  type ElectionMessage,
  leadsWith,
  newElection,
  nextTickMs,
} from '../../src/coordinator/election/state.ts'
import { LeaderSession, type SimulatedJob } from './leader-session.ts'
import { Connection, type RedisModel } from './redis-model.ts'
import { type Mutation, type Rules, Violation } from './rules.ts'
import type { Runner, Scheduler } from './scheduler.ts'

const leaseMs = 3000
const guardMs = 1000
const tickMs = leaseMs / 20

export interface CandidateSettings {
  readonly scheduler: Scheduler
  readonly redis: RedisModel
  readonly rules: Rules
  readonly job: SimulatedJob
  readonly mutation: Mutation | undefined
}

/** One life of a JobManager's process: its election, its lease in a thread of its own, and what it leads. */
export class Candidate {
  readonly name: string
  readonly main: Runner = { alive: true, pausedUntilMs: 0 }
  readonly thread: Runner = { alive: true, pausedUntilMs: 0 }
  session: LeaderSession | undefined
  /** Since when the main loop does no work. */
  stuckSinceMs: number | undefined
  readonly #settings: CandidateSettings
  readonly #lock: Connection
  readonly #writes: Connection
  #election
  #lease = newLease({ leaseMs, guardMs })
  #progress = 0
  #claims = 0
  /** When the lease ends, by what its server has answered. */
  #leaseEndMs = 0

  constructor(name: string, settings: CandidateSettings) {
    this.name = name
    this.#settings = settings
    this.#lock = new Connection(`${name} lock`, this.thread)
    this.#writes = new Connection(name, this.main)
    const { nowMs } = settings.scheduler
    this.#election = newElection({ leaseMs, retryMs: 500, resignedMs: 1000 }, nowMs)
    this.#mainLoop()
    this.#leaseLoop()
  }

  die(): void {
    this.main.alive = false
    this.thread.alive = false
    this.session?.end()
  }

  get leads(): boolean {
    return this.main.alive && this.session !== undefined
  }

  /** The main loop is busy; the lease's thread goes on (I13). */
  stick(forMs: number): void {
    const { nowMs } = this.#settings.scheduler
    this.stuckSinceMs = Math.max(nowMs, this.thread.pausedUntilMs)
    this.main.pausedUntilMs = Math.max(this.main.pausedUntilMs, nowMs + forMs)
  }

  /** SIGSTOP, and SIGCONT later: the thread of the lease can not notice anything meanwhile. */
  pause(untilMs: number): void {
    this.main.pausedUntilMs = Math.max(this.main.pausedUntilMs, untilMs)
    this.thread.pausedUntilMs = untilMs
    if (this.stuckSinceMs !== undefined) this.stuckSinceMs = untilMs
  }

  resign(): void {
    this.elect({ type: 'resign' })
  }

  /** Whether a write may be sent: guarded as in the shell, and checked against what the server has answered (I3). */
  mayWrite(token: LeaderToken, what: string): boolean {
    const { scheduler, mutation, rules } = this.#settings
    const isValid = leadsWith(this.#election, token, scheduler.nowMs)
    if (!isValid && mutation !== 'I3 the deadline is not looked at') return false
    rules.issued(what, scheduler.nowMs, this.#leaseEndMs)
    return true
  }

  elect(message: ElectionMessage): void {
    const { scheduler } = this.#settings
    const moment = { epochMs: scheduler.nowMs, monotonicMs: scheduler.nowMs, random: scheduler.random() }
    const { state, effects } = decide(this.#election, message, moment)
    this.#election = state
    for (const effect of effects) this.#perform(effect)
  }

  #mainLoop(): void {
    const { scheduler } = this.#settings
    this.#progress++
    this.stuckSinceMs = undefined
    const due = nextTickMs(this.#election)
    if (due !== undefined && scheduler.nowMs >= due) this.elect({ type: 'tick' })
    scheduler.after(100, this.main, () => this.#mainLoop())
  }

  #leaseLoop(): void {
    if (this.#settings.mutation === 'I13 the lease is renewed whatever the main loop does') this.#progress++
    this.#decideLease({ type: 'tick', progress: this.#progress })
    this.#settings.scheduler.after(tickMs, this.thread, () => this.#leaseLoop())
  }

  #decideLease(message: LeaseMessage): void {
    const { state, effects } = decideLease(this.#lease, message, this.#settings.scheduler.nowMs)
    this.#lease = state
    for (const effect of effects) this.#performLease(effect)
  }

  #performLease(effect: LeaseEffect): void {
    const { scheduler, redis } = this.#settings
    const sentAtMs = scheduler.nowMs
    const endMs = sentAtMs + leaseMs
    switch (effect.type) {
      case 'acquire':
        redis.call(
          this.#lock,
          () => redis.acquireLease(this.name, leaseMs),
          (answer) => {
            const isOurs = answer.type === 'done' && answer.value
            if (isOurs) this.#leaseEndMs = endMs
            if (isOurs) this.#decideLease({ type: 'acquired', sentAtMs, progress: this.#progress })
            else this.#decideLease({ type: 'refused', reason: answer.type })
          },
        )
        break
      case 'renew':
        this.#checkProgress()
        redis.call(
          this.#lock,
          () => redis.renewLease(this.name, leaseMs),
          (answer) => {
            const isDone = answer.type === 'done'
            if (isDone && answer.value) this.#leaseEndMs = Math.max(this.#leaseEndMs, endMs)
            const outcome = isDone ? (answer.value ? 'renewed' : 'lost') : 'unknown'
            this.#decideLease({ type: 'renewal', outcome, sentAtMs })
          },
        )
        break
      case 'release':
        redis.call(
          this.#lock,
          () => redis.releaseLease(this.name),
          () => this.#decideLease({ type: 'released' }),
        )
        break
      case 'tell':
        scheduler.after(0.1, this.main, () => this.elect(effect.message))
        break
      case 'deadline':
        break
    }
  }

  #checkProgress(): void {
    const { nowMs } = this.#settings.scheduler
    const stuckMs = nowMs - (this.stuckSinceMs ?? nowMs)
    if (stuckMs > guardMs + 2 * tickMs) {
      throw new Violation(`I13: ${this.name} renews, its main loop has done nothing for ${stuckMs.toFixed(0)} ms`)
    }
  }

  #perform(effect: ElectionEffect): void {
    const { scheduler, redis } = this.#settings
    switch (effect.type) {
      case 'acquire':
        scheduler.after(0.1, this.thread, () => this.#decideLease(effect))
        break
      case 'release':
        scheduler.after(0.1, this.thread, () => this.#decideLease(effect))
        break
      case 'claim': {
        const { attempt, floor } = effect
        const id = `${this.name}c${++this.#claims}`
        redis.call(
          this.#writes,
          () => redis.claim(id, floor),
          (answer) => {
            if (answer.type === 'done') this.elect({ type: 'claimed', attempt, token: answer.value })
            else this.elect({ type: 'claimFailed', attempt, reason: answer.type })
          },
        )
        break
      }
      case 'lead':
        scheduler.log(this.name, () => `leads with ${effect.token}`)
        this.session = new LeaderSession(this, this.#writes, effect.token, this.#settings)
        break
      case 'standBy':
        scheduler.log(this.name, () => `stands by: ${effect.reason}`)
        this.session?.end()
        this.session = undefined
        break
      case 'trouble':
        scheduler.log(this.name, () => effect.reason)
        break
      case 'stopped':
        break
    }
  }

  refusedBy(highest: LeaderToken): void {
    this.elect({ type: 'epochSeen', epoch: epochOf(highest) })
  }
}
