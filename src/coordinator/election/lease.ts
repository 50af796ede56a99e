import { type Decision, unchanged, unreachable } from '../decision.ts'

/**
 * The lease in the hands of one candidate: decided in a thread of its own, so that it is renewed while the main loop is
 * busy, but only as long as that loop goes on (I13). All times are monotonic milliseconds.
 */
export interface LeaseState {
  readonly settings: LeaseSettings
  readonly phase: LeasePhase
}

export interface LeaseSettings {
  readonly leaseMs: number
  /** A main loop that has done no work for this long loses the lease (I13). */
  readonly guardMs: number
}

export type LeasePhase =
  | { readonly type: 'free' }
  /** `wanted`: nobody has asked to let go of it meanwhile. */
  | { readonly type: 'acquiring'; readonly attempt: number; readonly wanted: boolean }
  | HeldLease
  | { readonly type: 'releasing' }

export interface HeldLease {
  readonly type: 'held'
  readonly deadlineMs: number
  readonly nextRenewalMs: number
  readonly renewing: boolean
  /** The progress of the main loop that was seen last, when that was, and what it was at the last renewal. */
  readonly progress: number
  readonly progressMs: number
  readonly renewedAtProgress: number
}

export type RenewalOutcome = 'renewed' | 'lost' | 'unknown'

export type LeaseMessage =
  | { readonly type: 'acquire'; readonly attempt: number }
  | { readonly type: 'release' }
  /** `progress`: of the main loop. Repeated at least every `leaseMs` / 20. */
  | { readonly type: 'tick'; readonly progress: number }
  | { readonly type: 'acquired'; readonly sentAtMs: number; readonly progress: number }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'renewal'; readonly outcome: RenewalOutcome; readonly sentAtMs: number }
  | { readonly type: 'released' }

export type LeaseEffect =
  | { readonly type: 'acquire' }
  | { readonly type: 'renew' }
  | { readonly type: 'release' }
  /** Where all threads see it at once; 0: no lease. */
  | { readonly type: 'deadline'; readonly deadlineMs: number }
  | { readonly type: 'tell'; readonly message: FromLease }

/** What the candidate is told. */
export type FromLease =
  | { readonly type: 'acquired'; readonly attempt: number; readonly deadlineMs: number }
  | { readonly type: 'refused'; readonly attempt: number; readonly reason: string }
  | { readonly type: 'renewed'; readonly deadlineMs: number }
  | { readonly type: 'leaseLost'; readonly reason: string }
  | { readonly type: 'released' }

export function newLease(settings: LeaseSettings): LeaseState {
  return { settings, phase: { type: 'free' } }
}

/** By what servers' clocks and their rounding may differ from ours while a lease lasts; as Redlock has it. */
export function driftMs(leaseMs: number): number {
  return Math.ceil(leaseMs * 0.01) + 2
}

export function decideLease(
  state: LeaseState,
  message: LeaseMessage,
  nowMs: number,
): Decision<LeaseState, LeaseEffect> {
  switch (message.type) {
    case 'acquire':
      return acquire(state, message.attempt)
    case 'release':
      return release(state)
    case 'tick':
      return state.phase.type === 'held' ? tick(state, state.phase, message.progress, nowMs) : unchanged(state)
    case 'acquired':
      return acquired(state, message.sentAtMs, message.progress, nowMs)
    case 'refused':
      return refused(state, message.reason)
    case 'renewal':
      return state.phase.type === 'held' ? renewal(state, state.phase, message, nowMs) : unchanged(state)
    case 'released':
      return state.phase.type === 'releasing'
        ? { state: { ...state, phase: { type: 'free' } }, effects: [tell({ type: 'released' })] }
        : unchanged(state)
    default:
      return unreachable(message)
  }
}

function acquire(state: LeaseState, attempt: number): Decision<LeaseState, LeaseEffect> {
  if (state.phase.type !== 'free') {
    return { state, effects: [tell({ type: 'refused', attempt, reason: `the lease is ${state.phase.type}` })] }
  }
  return { state: { ...state, phase: { type: 'acquiring', attempt, wanted: true } }, effects: [{ type: 'acquire' }] }
}

function release(state: LeaseState): Decision<LeaseState, LeaseEffect> {
  switch (state.phase.type) {
    case 'free':
      return { state, effects: [tell({ type: 'released' })] }
    case 'acquiring':
      return { state: { ...state, phase: { ...state.phase, wanted: false } }, effects: [] }
    case 'held':
      return letGo(state, [])
    case 'releasing':
      return unchanged(state)
    default:
      return unreachable(state.phase)
  }
}

function letGo(state: LeaseState, effects: readonly LeaseEffect[]): Decision<LeaseState, LeaseEffect> {
  return {
    state: { ...state, phase: { type: 'releasing' } },
    effects: [{ type: 'deadline', deadlineMs: 0 }, ...effects, { type: 'release' }],
  }
}

function acquired(
  state: LeaseState,
  sentAtMs: number,
  progress: number,
  nowMs: number,
): Decision<LeaseState, LeaseEffect> {
  const { phase, settings } = state
  if (phase.type !== 'acquiring') return unchanged(state)
  if (!phase.wanted) return letGo(state, [])
  const deadlineMs = sentAtMs + settings.leaseMs - driftMs(settings.leaseMs)
  const held: HeldLease = {
    type: 'held',
    deadlineMs,
    nextRenewalMs: sentAtMs + settings.leaseMs / 3,
    renewing: false,
    progress,
    progressMs: nowMs,
    renewedAtProgress: progress,
  }
  return {
    state: { ...state, phase: held },
    effects: [{ type: 'deadline', deadlineMs }, tell({ type: 'acquired', attempt: phase.attempt, deadlineMs })],
  }
}

function refused(state: LeaseState, reason: string): Decision<LeaseState, LeaseEffect> {
  const { phase } = state
  if (phase.type !== 'acquiring') return unchanged(state)
  const told: FromLease = phase.wanted ? { type: 'refused', attempt: phase.attempt, reason } : { type: 'released' }
  return { state: { ...state, phase: { type: 'free' } }, effects: [tell(told)] }
}

function tick(state: LeaseState, held: HeldLease, progress: number, nowMs: number): Decision<LeaseState, LeaseEffect> {
  const { leaseMs, guardMs } = state.settings
  if (nowMs >= held.deadlineMs) return lose(state, 'it was not renewed in time')
  const moved = progress !== held.progress
  const seen = moved ? { ...held, progress, progressMs: nowMs } : held
  if (nowMs - seen.progressMs >= guardMs) {
    return lose(state, `the main loop has done no work for ${Math.round(nowMs - seen.progressMs)} ms`)
  }
  const isDue = nowMs >= seen.nextRenewalMs && !seen.renewing && progress !== seen.renewedAtProgress
  if (!isDue) return { state: { ...state, phase: seen }, effects: [] }
  const phase = { ...seen, renewing: true, renewedAtProgress: progress, nextRenewalMs: nowMs + leaseMs / 3 }
  return { state: { ...state, phase }, effects: [{ type: 'renew' }] }
}

function lose(state: LeaseState, reason: string): Decision<LeaseState, LeaseEffect> {
  return letGo(state, [tell({ type: 'leaseLost', reason })])
}

function renewal(
  state: LeaseState,
  held: HeldLease,
  { outcome, sentAtMs }: Extract<LeaseMessage, { readonly type: 'renewal' }>,
  nowMs: number,
): Decision<LeaseState, LeaseEffect> {
  const { leaseMs } = state.settings
  switch (outcome) {
    case 'renewed': {
      const deadlineMs = Math.max(held.deadlineMs, sentAtMs + leaseMs - driftMs(leaseMs))
      return {
        state: { ...state, phase: { ...held, renewing: false, deadlineMs } },
        effects: [{ type: 'deadline', deadlineMs }, tell({ type: 'renewed', deadlineMs })],
      }
    }
    case 'lost':
      // At once: trying again could only take it from the next one.
      return lose(state, 'it is not ours any more')
    case 'unknown':
      return {
        state: { ...state, phase: { ...held, renewing: false, nextRenewalMs: nowMs + leaseMs / 20 } },
        effects: [],
      }
    default:
      return unreachable(outcome)
  }
}

function tell(message: FromLease): LeaseEffect {
  return { type: 'tell', message }
}
