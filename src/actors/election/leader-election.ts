import { isMillraceError, MillraceError, messageOf } from '../../common/errors.ts'
import { epochOf, type LeaderToken } from '../../common/ids.ts'
import { type Logger, silentLogger } from '../../common/logger.ts'
import type { Ports, Timer } from '../../common/ports.ts'
import { systemPorts, threadsClock } from '../../common/system-ports.ts'
import { unreachable } from '../../coordinator/decision.ts'
import { compare, type DataLoss } from '../../coordinator/election/data-loss.ts'
import { decide } from '../../coordinator/election/decide.ts'
import {
  type ElectionEffect,
  type ElectionMessage,
  type ElectionState,
  newElection,
  nextTickMs,
} from '../../coordinator/election/state.ts'
import { type ControlKeys, controlKeys } from '../../redis/control-keys.ts'
import { checkLockNodes, type RedisOptions } from '../../redis/redis-options.ts'
import { redisScript, runScript } from '../../redis/redis-script.ts'
import { openCheckedRedis, ReopenedConnection } from '../../redis/reopened-connection.ts'
import { type Claim, claimLeadership, observeCluster } from './claim.ts'
import { ClusterMemory } from './cluster-memory.ts'
import { LeaseMemory } from './lease-memory.ts'
import { LeaseThread } from './lease-thread.ts'

export const defaultLeaseMs = 3_000
/** A standby tries this often: so long after a resignation another one leads at the latest. */
const retryMs = 100

export interface LeaderElectionOptions {
  readonly control: RedisOptions
  /** 1, 3 or 5 servers (F8). */
  readonly lockNodes: readonly RedisOptions[]
  readonly clusterId: string
  /** `high-availability.lease-duration`, default 3 seconds. */
  readonly leaseMs?: number
  /** A main loop that does no work for so long loses the leadership (I13); default: the lease. */
  readonly guardMs?: number
  /** URL of this process's REST server, for standbys that forward to it. */
  readonly address?: string
  /** What this process knows of the cluster outside Redis; default: nothing at first, and in memory alone. */
  readonly memory?: ClusterMemory
  readonly ports?: Ports
  readonly logger?: Logger
  /** This process leads from now on, until `onStandby`. */
  readonly onLeading: (leadership: Leadership) => void
  /** It leads no more: nothing of the leadership before may act any more. */
  readonly onStandby: (reason: string) => void
}

/** One time of leading. */
export interface Leadership {
  /** KEYS[1] of each fenced script must hold it (I1). */
  readonly token: LeaderToken
  readonly epoch: number
  readonly inboxStart: string
  /** In what Redis is behind what this process knew (R25, I12): no job goes on before that is settled. Empty: in nothing. */
  readonly losses: readonly DataLoss[]
  /** False past the monotonic deadline, and for ever after `onStandby` (I3). Asked before each write and in each mailbox turn. */
  isValid(): boolean
  /** Leaves the leadership to another candidate; resolves when the lease is free. */
  resign(): Promise<void>
  /** A write was refused with MR_FENCED: this process stands by. */
  fenced(reason: string): void
  /** A write is undetermined, the control connection was lost, or a revision does not fit (R3, R25): claimed anew. */
  claimAgain(reason: string): void
  /** A TaskManager obeys this token (I4): above it is claimed. */
  tokenSeen(token: LeaderToken): void
  /** The losses are settled: no process of the cluster tells of them again. @throws MillraceError MR_FENCED, MR_REDIS_… */
  acceptLosses(): Promise<void>
}

/** One candidate. Its decisions are in src/coordinator/election; the lease is kept by a thread of its own. */
export class LeaderElection {
  readonly memory: ClusterMemory
  readonly #options: LeaderElectionOptions
  readonly #keys: ControlKeys
  readonly #ports: Ports
  readonly #logger: Logger
  readonly #control: ReopenedConnection
  readonly #shared = new LeaseMemory()
  readonly #thread: LeaseThread
  readonly #leaseMs: number
  readonly #released: (() => void)[] = []
  #state: ElectionState
  #claim: Claim | undefined
  #tickTimer: Timer | undefined
  #progressTimer: Timer | undefined
  #observeTimer: Timer | undefined
  #trouble = ''

  /** @throws MillraceError MR_CONFIGURATION, MR_REDIS_CONFIGURATION. A Redis that is away for now is waited for. */
  static async start(options: LeaderElectionOptions): Promise<LeaderElection> {
    checkLockNodes(options.lockNodes)
    const memory = options.memory ?? (await ClusterMemory.open())
    const { clock } = options.ports ?? systemPorts
    const control = new ReopenedConnection({ open: () => openCheckedRedis(options.control, clock), clock })
    try {
      await control.get()
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MR_REDIS_CONFIGURATION') throw error
      options.logger?.warn({}, messageOf(error))
    }
    return new LeaderElection(options, memory, control)
  }

  private constructor(options: LeaderElectionOptions, memory: ClusterMemory, control: ReopenedConnection) {
    this.#options = options
    this.memory = memory
    this.#control = control
    this.#keys = controlKeys(options.clusterId)
    // Monotonic time is compared with that of the lease's thread.
    this.#ports = options.ports ?? { ...systemPorts, clock: threadsClock }
    this.#logger = options.logger ?? silentLogger
    this.#leaseMs = options.leaseMs ?? defaultLeaseMs
    const settings = { leaseMs: this.#leaseMs, retryMs, resignedMs: this.#leaseMs }
    this.#state = { ...newElection(settings, this.#nowMs()), floor: memory.facts.epoch }
    const data = {
      nodes: options.lockNodes,
      resource: this.#keys.lease,
      settings: { leaseMs: this.#leaseMs, guardMs: options.guardMs ?? this.#leaseMs },
    }
    this.#thread = new LeaseThread(data, this.#shared, {
      message: (message) => this.#receive(message),
      ended: (reason) => {
        this.#receive({ type: 'leaseLost', reason })
        this.#receive({ type: 'refused', attempt: this.#state.attempt, reason })
      },
    })
    this.#progress()
    this.#observe()
    this.#receive({ type: 'tick' })
  }

  /** What a process that does not lead has heard of. */
  tokenSeen(token: LeaderToken): void {
    this.memory.epochSeen(epochOf(token))
    this.#receive({ type: 'tokenSeen', token })
  }

  /** Resigns, and takes part no more; resolves when the lease is free. */
  async stop(): Promise<void> {
    await this.#leave('stop')
    for (const timer of [this.#tickTimer, this.#progressTimer, this.#observeTimer]) timer?.cancel()
    this.#control.close()
    await this.#thread.close()
    await this.memory.durable()
  }

  #nowMs(): number {
    return this.#ports.clock.monotonicMs()
  }

  #receive(message: ElectionMessage): void {
    const { clock, random } = this.#ports
    const now = { epochMs: clock.now(), monotonicMs: clock.monotonicMs(), random: random.next() }
    const { state, effects } = decide(this.#state, message, now)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    if (message.type === 'refused') this.#tellTrouble(message.reason)
    const { type } = this.#state.phase
    if (type === 'standby' || type === 'stopped') for (const resolve of this.#released.splice(0)) resolve()
    this.#scheduleTick()
  }

  #perform(effect: ElectionEffect): void {
    switch (effect.type) {
      case 'acquire':
        this.#thread.send({ type: 'acquire', attempt: effect.attempt })
        return
      case 'release':
        this.#shared.deadlineMs = 0
        this.#thread.send({ type: 'release' })
        return
      case 'claim':
        void this.#claimFor(effect.attempt, effect.floor)
        return
      case 'lead':
        this.#lead(effect.token, effect.epoch)
        return
      case 'standBy':
        this.#logger.info({}, `stands by: ${effect.reason}`)
        this.#options.onStandby(effect.reason)
        return
      case 'trouble':
        this.#tellTrouble(effect.reason)
        return
      case 'stopped':
        return
      default:
        unreachable(effect)
    }
  }

  /** Repeated ones once. */
  #tellTrouble(reason: string): void {
    if (reason === this.#trouble) return
    this.#trouble = reason
    this.#logger.info({}, `does not lead: ${reason}`)
  }

  async #claimFor(attempt: number, floor: number): Promise<void> {
    try {
      const connection = await this.#control.get()
      // Opening may have taken longer than the lease: such a claim would fence the one that leads by now.
      if (this.#nowMs() >= this.#shared.deadlineMs) throw new MillraceError('MR_FENCED', 'the lease has ended')
      const request = { floor, address: this.#options.address ?? '' }
      const claim = await claimLeadership(connection, this.#keys, this.#ports.ids, request)
      this.#claim = claim
      this.#receive({ type: 'claimed', attempt, token: claim.token })
    } catch (error) {
      this.#receive({ type: 'claimFailed', attempt, reason: messageOf(error) })
    }
  }

  #lead(token: LeaderToken, epoch: number): void {
    const claim = this.#claim
    if (claim?.token !== token) throw new MillraceError('MR_INTERNAL', `no claim of ${token}`)
    const losses = this.memory.examine(claim.found)
    this.memory.epochSeen(epoch)
    this.#trouble = ''
    this.#logger.info({ token }, 'leads')
    const whileLeading = (message: ElectionMessage): void => {
      const { phase } = this.#state
      if (phase.type === 'leading' && phase.token === token) this.#receive(message)
    }
    this.#options.onLeading({
      token,
      epoch,
      inboxStart: claim.inboxStart,
      losses,
      isValid: () => this.#isValid(token),
      resign: () => (this.#isLeading(token) ? this.#leave('resign') : Promise.resolve()),
      fenced: (reason) => whileLeading({ type: 'fenced', reason }),
      claimAgain: (reason) => whileLeading({ type: 'claimAgain', reason }),
      tokenSeen: (seen) => this.tokenSeen(seen),
      acceptLosses: () => this.#acceptLosses(claim),
    })
  }

  #isLeading(token: LeaderToken): boolean {
    const { phase } = this.#state
    return phase.type === 'leading' && phase.token === token
  }

  #isValid(token: LeaderToken): boolean {
    return this.#isLeading(token) && this.#nowMs() < this.#shared.deadlineMs
  }

  async #acceptLosses(claim: Claim): Promise<void> {
    const lost = this.memory.facts.incarnation
    if (!this.#isValid(claim.token)) throw new MillraceError('MR_FENCED', `the lease of ${claim.token} has ended`)
    if (lost !== undefined && lost !== claim.found.incarnation) {
      const connection = await this.#control.get()
      await runScript(
        connection,
        redisScript('accept-loss'),
        [this.#keys.leader, this.#keys.acceptedLosses],
        [claim.token, lost],
      )
      await connection.durable()
    }
    this.memory.accept(claim.found)
  }

  #leave(type: 'resign' | 'stop'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#released.push(resolve)
    this.#receive({ type })
    return promise
  }

  #scheduleTick(): void {
    this.#tickTimer?.cancel()
    const due = nextTickMs(this.#state)
    if (due === undefined) return
    this.#tickTimer = this.#ports.clock.schedule(Math.ceil(due - this.#nowMs()), () => this.#receive({ type: 'tick' }))
  }

  #progress(): void {
    this.#shared.advance()
    this.#progressTimer = this.#ports.clock.schedule(this.#leaseMs / 30, () => this.#progress())
  }

  /** A standby remembers what the cluster is, so that it notices a loss when it leads (I12). */
  #observe(): void {
    this.#observeTimer = this.#ports.clock.schedule(this.#leaseMs / 3, () => {
      void this.#look().finally(() => {
        if (this.#state.phase.type !== 'stopped') this.#observe()
      })
    })
  }

  async #look(): Promise<void> {
    try {
      const found = await observeCluster(await this.#control.get(), this.#keys)
      if (found === undefined) return
      if (compare(this.memory.facts, found).length === 0) this.memory.examine(found)
      // While it claims, the epoch may be its own.
      const { type } = this.#state.phase
      if (type === 'standby' || type === 'acquiring') this.#receive({ type: 'epochSeen', epoch: found.epoch })
    } catch (error) {
      this.#logger.debug({}, messageOf(error))
    }
  }
}
