import type { LeaderToken } from '../../common/ids.ts'
import type { FromLease } from './lease.ts'

/** One candidate for the leadership of a cluster. All times are monotonic milliseconds. */
export interface ElectionState {
  readonly settings: ElectionSettings
  readonly phase: ElectionPhase
  /** Counts tries to acquire or to claim: an answer to an older one is none. */
  readonly attempt: number
  /** The highest epoch that anybody has named: a claim goes above it (I2). */
  readonly floor: number
}

export interface ElectionSettings {
  readonly leaseMs: number
  /** Between two tries, at most: a random part of a half of it is left out, so that candidates do not meet again. */
  readonly retryMs: number
  /** How long one that has resigned leaves it to others. */
  readonly resignedMs: number
}

export type ElectionPhase =
  | { readonly type: 'standby'; readonly nextTryMs: number }
  /** `limitMs`: an answer that is not there by then is waited for no longer (I11). */
  | { readonly type: 'acquiring'; readonly limitMs: number }
  | { readonly type: 'claiming'; readonly deadlineMs: number }
  | LeadingPhase
  | { readonly type: 'steppingDown'; readonly limitMs: number; readonly pauseMs: number; readonly stops: boolean }
  | { readonly type: 'stopped' }

export interface LeadingPhase {
  readonly type: 'leading'
  readonly token: LeaderToken
  readonly epoch: number
  readonly deadlineMs: number
}

export type ElectionMessage =
  | FromLease
  /** Also once too often. */
  | { readonly type: 'tick' }
  | { readonly type: 'claimed'; readonly attempt: number; readonly token: LeaderToken }
  | { readonly type: 'claimFailed'; readonly attempt: number; readonly reason: string }
  /** A TaskManager obeys it, or Redis or a file names it. */
  | { readonly type: 'tokenSeen'; readonly token: LeaderToken }
  | { readonly type: 'epochSeen'; readonly epoch: number }
  /** A write was refused, so that another one leads. */
  | { readonly type: 'fenced'; readonly reason: string }
  /** The outcome of a write is not known, or Redis is behind (R3, R25): the lease is kept, the claim is made anew. */
  | { readonly type: 'claimAgain'; readonly reason: string }
  | { readonly type: 'resign' }
  | { readonly type: 'stop' }

export type ElectionEffect =
  | { readonly type: 'acquire'; readonly attempt: number }
  | { readonly type: 'release' }
  | { readonly type: 'claim'; readonly attempt: number; readonly floor: number }
  | { readonly type: 'lead'; readonly token: LeaderToken; readonly epoch: number }
  | { readonly type: 'standBy'; readonly reason: string }
  /** For the log. */
  | { readonly type: 'trouble'; readonly reason: string }
  | { readonly type: 'stopped' }

export function newElection(settings: ElectionSettings, nowMs: number): ElectionState {
  return { settings, phase: { type: 'standby', nextTryMs: nowMs }, attempt: 0, floor: 0 }
}

/** When a `tick` is due at the latest; undefined: there is nothing to wait for. */
export function nextTickMs({ phase }: ElectionState): number | undefined {
  switch (phase.type) {
    case 'standby':
      return phase.nextTryMs
    case 'acquiring':
    case 'steppingDown':
      return phase.limitMs
    case 'claiming':
    case 'leading':
      return phase.deadlineMs
    case 'stopped':
      return undefined
    default:
      return phase satisfies never
  }
}

/** Whether this token may be written with (I3). */
export function leadsWith({ phase }: ElectionState, token: LeaderToken, nowMs: number): boolean {
  return phase.type === 'leading' && phase.token === token && nowMs < phase.deadlineMs
}
