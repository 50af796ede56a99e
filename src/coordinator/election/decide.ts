import { epochOf, type LeaderToken } from '../../common/ids.ts'
import { type Decision, type Moment, unchanged, unreachable } from '../decision.ts'
import type { ElectionEffect, ElectionMessage, ElectionState } from './state.ts'

type ElectionDecision = Decision<ElectionState, ElectionEffect>

/**
 * The lease says who tries, the claim who may write (I1): a lease that is lost without our knowing does no harm, since
 * whoever gets it claims a higher epoch first.
 */
export function decide(state: ElectionState, message: ElectionMessage, now: Moment): ElectionDecision {
  switch (message.type) {
    case 'tick':
      return tick(state, now)
    case 'acquired':
      return acquired(state, message, now)
    case 'refused':
      return isAnswer(state, 'acquiring', message.attempt) ? standBy(state, now) : unchanged(state)
    case 'renewed':
      return renewed(state, message.deadlineMs)
    case 'leaseLost':
      return leaseLost(state, message.reason, now)
    case 'released':
      return state.phase.type === 'steppingDown' ? released(state, state.phase, now) : unchanged(state)
    case 'claimed':
      return claimed(state, message, now)
    case 'claimFailed':
      return isAnswer(state, 'claiming', message.attempt)
        ? stepDown(state, now, { trouble: `the leadership could not be claimed: ${message.reason}` })
        : unchanged(state)
    case 'tokenSeen':
      return tokenSeen(state, message.token, now)
    case 'epochSeen':
      return epochSeen(state, message.epoch, now)
    case 'fenced':
      return state.phase.type === 'leading' ? stepDown(state, now, { reason: message.reason }) : unchanged(state)
    case 'claimAgain':
      return state.phase.type === 'leading' ? claimAgain(state, message.reason, now) : unchanged(state)
    case 'resign':
      return resign(state, now, false)
    case 'stop':
      return resign(state, now, true)
    default:
      return unreachable(message)
  }
}

function isAnswer({ phase, attempt }: ElectionState, type: 'acquiring' | 'claiming', answered: number): boolean {
  return phase.type === type && attempt === answered
}

function tick(state: ElectionState, now: Moment): ElectionDecision {
  const { phase, settings } = state
  switch (phase.type) {
    case 'standby': {
      if (now.monotonicMs < phase.nextTryMs) return unchanged(state)
      const attempt = state.attempt + 1
      const limitMs = now.monotonicMs + settings.leaseMs
      return {
        state: { ...state, attempt, phase: { type: 'acquiring', limitMs } },
        effects: [{ type: 'acquire', attempt }],
      }
    }
    case 'acquiring':
      if (now.monotonicMs < phase.limitMs) return unchanged(state)
      return stepDown(state, now, { trouble: 'the lock servers do not answer' })
    case 'claiming':
      if (now.monotonicMs < phase.deadlineMs) return unchanged(state)
      return stepDown(state, now, { trouble: 'the lease ended before the leadership was claimed' })
    case 'leading':
      if (now.monotonicMs < phase.deadlineMs) return unchanged(state)
      return stepDown(state, now, { reason: 'the lease was not renewed in time (I3)' })
    case 'steppingDown':
      // Unanswered: the lease ends by itself.
      return now.monotonicMs < phase.limitMs ? unchanged(state) : released(state, phase, now)
    case 'stopped':
      return unchanged(state)
    default:
      return unreachable(phase)
  }
}

function standBy(state: ElectionState, now: Moment, pauseMs = 0): ElectionDecision {
  const waitMs = Math.max(pauseMs, state.settings.retryMs * (1 - now.random / 2))
  return { state: { ...state, phase: { type: 'standby', nextTryMs: now.monotonicMs + waitMs } }, effects: [] }
}

function acquired(
  state: ElectionState,
  { attempt, deadlineMs }: Extract<ElectionMessage, { readonly type: 'acquired' }>,
  now: Moment,
): ElectionDecision {
  // An answer that nobody waits for any more: its release is on the way.
  if (!isAnswer(state, 'acquiring', attempt)) return unchanged(state)
  const leftMs = deadlineMs - now.monotonicMs
  if (leftMs <= state.settings.leaseMs / 2) {
    return stepDown(state, now, { trouble: `the lease came with ${Math.round(leftMs)} ms left: too late` })
  }
  return claim(state, deadlineMs, [])
}

function claim(state: ElectionState, deadlineMs: number, before: readonly ElectionEffect[]): ElectionDecision {
  const attempt = state.attempt + 1
  return {
    state: { ...state, attempt, phase: { type: 'claiming', deadlineMs } },
    effects: [...before, { type: 'claim', attempt, floor: state.floor }],
  }
}

function claimed(
  state: ElectionState,
  { attempt, token }: Extract<ElectionMessage, { readonly type: 'claimed' }>,
  now: Moment,
): ElectionDecision {
  const { phase } = state
  if (phase.type !== 'claiming' || attempt !== state.attempt) return unchanged(state)
  if (now.monotonicMs >= phase.deadlineMs) return tick(state, now)
  const epoch = epochOf(token)
  if (epoch <= state.floor) return claim(state, phase.deadlineMs, [])
  return {
    state: { ...state, floor: epoch, phase: { type: 'leading', token, epoch, deadlineMs: phase.deadlineMs } },
    effects: [{ type: 'lead', token, epoch }],
  }
}

function renewed(state: ElectionState, deadlineMs: number): ElectionDecision {
  const { phase } = state
  if (phase.type !== 'claiming' && phase.type !== 'leading') return unchanged(state)
  return { state: { ...state, phase: { ...phase, deadlineMs: Math.max(phase.deadlineMs, deadlineMs) } }, effects: [] }
}

function leaseLost(state: ElectionState, reason: string, now: Moment): ElectionDecision {
  const { phase } = state
  if (phase.type !== 'claiming' && phase.type !== 'leading') return unchanged(state)
  return stepDown(state, now, { reason: `the lease was lost: ${reason}` })
}

function tokenSeen(state: ElectionState, token: LeaderToken, now: Moment): ElectionDecision {
  const { phase } = state
  if (phase.type === 'leading' && phase.token === token) return unchanged(state)
  const epoch = epochOf(token)
  // The same number under another id: it was given twice, after a loss of data (I2).
  const isTwice = phase.type === 'leading' && phase.epoch === epoch
  if (!isTwice) return epochSeen(state, epoch, now)
  return claimAgain(state, `epoch ${epoch} was given to ${token} too`, now)
}

function epochSeen(state: ElectionState, epoch: number, now: Moment): ElectionDecision {
  if (epoch <= state.floor) return unchanged(state)
  const higher = { ...state, floor: epoch }
  if (state.phase.type !== 'leading') return unchanged(higher)
  return claimAgain(higher, `epoch ${epoch} was given already`, now)
}

function claimAgain(state: ElectionState, reason: string, now: Moment): ElectionDecision {
  const { phase } = state
  if (phase.type !== 'leading' || now.monotonicMs >= phase.deadlineMs) return stepDown(state, now, { reason })
  return claim(state, phase.deadlineMs, [{ type: 'standBy', reason }])
}

interface SteppingDown {
  /** Why one that leads stands by. */
  readonly reason?: string
  readonly trouble?: string
  readonly pauseMs?: number
  readonly stops?: boolean
}

/** One that leads says so before anything else happens: no write of it is begun after that. */
function stepDown(state: ElectionState, now: Moment, why: SteppingDown): ElectionDecision {
  const { reason, trouble, pauseMs = 0, stops = false } = why
  const text = reason ?? trouble ?? 'it stands by'
  const told: ElectionEffect =
    state.phase.type === 'leading' ? { type: 'standBy', reason: text } : { type: 'trouble', reason: text }
  const limitMs = now.monotonicMs + state.settings.leaseMs / 2
  return {
    state: { ...state, phase: { type: 'steppingDown', limitMs, pauseMs, stops } },
    effects: [told, { type: 'release' }],
  }
}

function released(
  state: ElectionState,
  { pauseMs, stops }: { readonly pauseMs: number; readonly stops: boolean },
  now: Moment,
): ElectionDecision {
  if (!stops) return standBy(state, now, pauseMs)
  return { state: { ...state, phase: { type: 'stopped' } }, effects: [{ type: 'stopped' }] }
}

function resign(state: ElectionState, now: Moment, stops: boolean): ElectionDecision {
  const { phase, settings } = state
  const pauseMs = settings.resignedMs
  switch (phase.type) {
    case 'standby':
      if (stops) return released(state, { pauseMs, stops }, now)
      return standBy(state, now, pauseMs)
    case 'acquiring':
    case 'claiming':
    case 'leading':
      return stepDown(state, now, { reason: stops ? 'it was stopped' : 'it resigned', pauseMs, stops })
    case 'steppingDown':
      return { state: { ...state, phase: { ...phase, pauseMs, stops: stops || phase.stops } }, effects: [] }
    case 'stopped':
      return stops ? { state, effects: [{ type: 'stopped' }] } : unchanged(state)
    default:
      return unreachable(phase)
  }
}
