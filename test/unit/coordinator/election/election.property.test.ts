import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochOf, type LeaderToken, leaderToken } from '../../../../src/common/ids.ts'
import { decide } from '../../../../src/coordinator/election/decide.ts'
import {
  decideLease,
  type FromLease,
  type LeaseMessage,
  type LeaseState,
  newLease,
} from '../../../../src/coordinator/election/lease.ts'
import {
  type ElectionEffect,
  type ElectionMessage,
  type ElectionState,
  leadsWith,
  newElection,
} from '../../../../src/coordinator/election/state.ts'

const leaseMs = 1000
const settings = { leaseMs, retryMs: 100, resignedMs: 1000 }

/** The servers: who has the lease until when, and who may write. */
class Servers {
  holder: Model | undefined
  endsMs = 0
  leader: LeaderToken | undefined
  epoch = 0
  readonly given: LeaderToken[] = []
  writes: LeaderToken[] = []
}

/** A candidate with its two threads; what they send each other arrives when the schedule says so. */
class Model {
  readonly name: string
  readonly servers: Servers
  election: ElectionState
  lease: LeaseState = newLease({ leaseMs, guardMs: leaseMs })
  leading: LeaderToken | undefined
  progress = 0
  toMain: ElectionMessage[] = []
  toThread: LeaseMessage[] = []
  requests: ((nowMs: number) => void)[] = []

  constructor(name: string, servers: Servers) {
    this.name = name
    this.servers = servers
    this.election = newElection(settings, 0)
  }

  main(message: ElectionMessage, nowMs: number): void {
    const { state, effects } = decide(this.election, message, { epochMs: 0, monotonicMs: nowMs, random: 0.5 })
    this.election = state
    for (const effect of effects) this.#perform(effect)
  }

  thread(message: LeaseMessage, nowMs: number): void {
    const { state, effects } = decideLease(this.lease, message, nowMs)
    this.lease = state
    for (const effect of effects) {
      if (effect.type === 'tell') this.toMain.push(effect.message satisfies FromLease)
      else if (effect.type !== 'deadline') this.#ask(effect.type, nowMs)
    }
  }

  #perform(effect: ElectionEffect): void {
    switch (effect.type) {
      case 'acquire':
      case 'release':
        this.toThread.push(effect)
        return
      case 'claim':
        this.requests.push(() => this.#claim(effect.attempt, effect.floor))
        return
      case 'lead':
        expect(this.leading).toBeUndefined()
        this.leading = effect.token
        return
      case 'standBy':
        expect(this.leading).toBeDefined()
        this.leading = undefined
        return
      default:
    }
  }

  #claim(attempt: number, floor: number): void {
    const { servers } = this
    servers.epoch = Math.max(servers.epoch, floor) + 1
    const token = leaderToken(`${this.name}${servers.given.length}:${servers.epoch}`)
    servers.leader = token
    servers.given.push(token)
    this.toMain.push({ type: 'claimed', attempt, token })
  }

  #ask(operation: 'acquire' | 'renew' | 'release', sentAtMs: number): void {
    this.requests.push((nowMs) => this.toThread.push(this.#answer(operation, sentAtMs, nowMs)))
  }

  #answer(operation: 'acquire' | 'renew' | 'release', sentAtMs: number, nowMs: number): LeaseMessage {
    const { servers } = this
    const isFree = servers.holder === undefined || nowMs >= servers.endsMs
    const isOwn = servers.holder === this && !isFree
    if (operation === 'release') {
      if (isOwn) servers.holder = undefined
      return { type: 'released' }
    }
    const isGranted = operation === 'acquire' ? isFree : isOwn
    if (isGranted) {
      servers.holder = this
      servers.endsMs = nowMs + leaseMs
    }
    if (operation === 'renew') return { type: 'renewal', outcome: isGranted ? 'renewed' : 'lost', sentAtMs }
    return isGranted ? { type: 'acquired', sentAtMs, progress: this.progress } : { type: 'refused', reason: 'held' }
  }

  /** A write as a leader makes it; the servers compare the token. */
  write(nowMs: number): void {
    const token = this.leading
    if (token === undefined || !leadsWith(this.election, token, nowMs)) return
    if (this.servers.leader === token) this.servers.writes.push(token)
    else this.main({ type: 'fenced', reason: 'refused' }, nowMs)
  }
}

type Step = readonly [who: number, what: number, passedMs: number]
/** Mostly all goes on quickly, now and then one pauses. */
const passedMs = fc.oneof({ weight: 40, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.nat(1500) })
const steps = fc.array(fc.tuple(fc.nat(2), fc.nat(7), passedMs), { minLength: 300, maxLength: 900, size: 'max' })

function turn(model: Model, what: number, nowMs: number): void {
  if (what === 0) model.requests.shift()?.(nowMs)
  if (what === 1) for (const message of model.toMain.splice(0, 1)) model.main(message, nowMs)
  if (what === 2) for (const message of model.toThread.splice(0, 1)) model.thread(message, nowMs)
  if (what === 3) model.main({ type: 'tick' }, nowMs)
  if (what === 4) model.thread({ type: 'tick', progress: ++model.progress }, nowMs)
  if (what === 5) model.write(nowMs)
  if (what === 6) model.thread({ type: 'tick', progress: model.progress }, nowMs)
  if (what === 7) model.write(nowMs + leaseMs)
}

function run(schedule: readonly Step[], check: (servers: Servers, models: readonly Model[], nowMs: number) => void) {
  const servers = new Servers()
  const models = ['a', 'b', 'c'].map((name) => new Model(name, servers))
  let nowMs = 0
  for (const [who, what, passedMs] of schedule) {
    nowMs += passedMs
    const model = models[who]
    if (model !== undefined) turn(model, what, nowMs)
    check(servers, models, nowMs)
  }
  return { servers, models, nowMs }
}

test('whatever is late or paused, writes are accepted in the order of epochs and tokens are given once (I1, I2)', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      const { servers } = run(schedule, () => {})
      const epochs = servers.writes.map(epochOf)
      expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
      expect(new Set(servers.given.map(epochOf)).size).toBe(servers.given.length)
    }),
    { numRuns: 300 },
  )
})

test('these schedules do elect leaders, one after another', () => {
  const runs = fc.sample(steps, { numRuns: 300, seed: 1 }).map((schedule) => run(schedule, () => {}).servers)
  expect(runs.filter(({ writes }) => writes.length > 0).length).toBeGreaterThan(10)
  expect(runs.filter(({ given }) => given.length > 1).length).toBeGreaterThan(10)
})

test('past its deadline a candidate holds no lease that it would write with (I3)', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      run(schedule, (servers, models, nowMs) => {
        const valid = models.filter((model) => model.leading && leadsWith(model.election, model.leading, nowMs))
        // The lease of one whose deadline has not come is still its own at the servers.
        for (const model of valid) expect(servers.holder === model && nowMs < servers.endsMs).toBe(true)
      })
    }),
    { numRuns: 300 },
  )
})

test('from any state, when all goes on, one leads within two leases (I11)', () => {
  fc.assert(
    fc.property(steps, (schedule) => {
      const { models, nowMs } = run(schedule, () => {})
      for (let passedMs = 0; passedMs <= leaseMs * 4; passedMs += 20) {
        for (const model of models) for (const what of [0, 1, 2, 4, 3, 0, 1, 2]) turn(model, what, nowMs + passedMs)
      }
      expect(models.filter(({ leading }) => leading).length).toBe(1)
    }),
    { numRuns: 200 },
  )
})
