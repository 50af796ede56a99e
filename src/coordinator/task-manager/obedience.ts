import { epochOf, type LeaderToken } from '../../common/ids.ts'

/** Whom a process obeys: the leader with the highest epoch that it has heard of (I4). */
export interface Obedience {
  /** undefined: it has heard of none. */
  readonly highest: LeaderToken | undefined
}

/** `refused`: an old leader, or another one that was given the same epoch after a loss of data; it is told the highest. */
export type ObedienceVerdict = 'newer' | 'same' | 'refused'

/** Epochs never decrease (I2); a token is compared whole, so that of two with the same epoch the first one wins. */
export function obeyToken(
  state: Obedience,
  token: LeaderToken,
): { readonly state: Obedience; readonly verdict: ObedienceVerdict } {
  const { highest } = state
  if (highest === token) return { state, verdict: 'same' }
  if (highest !== undefined && epochOf(token) <= epochOf(highest)) return { state, verdict: 'refused' }
  return { state: { highest: token }, verdict: 'newer' }
}
