import { epochOf, type LeaderToken, leaderToken } from '../common/ids.ts'
import { type Obedience, obeyToken } from '../coordinator/task-manager/obedience.ts'

/** The leader that a TaskManager's process obeys: what its transport asks with every message (I4). */
export class ObeyedLeader {
  /** An old leader has sent something; it is told who leads. */
  onRefused: (token: LeaderToken) => void = () => {}
  #state: Obedience = { highest: undefined }

  /** The newest token that was obeyed: goes into every envelope to the leader. */
  get token(): LeaderToken | undefined {
    return this.#state.highest
  }

  /** False: the message is an old leader's, and is dropped. */
  admits(envelope: { readonly leaderToken?: string }): boolean {
    if (envelope.leaderToken === undefined) return false
    const token = leaderToken(envelope.leaderToken)
    const { state, verdict } = obeyToken(this.#state, token)
    this.#state = state
    if (verdict === 'refused') this.onRefused(token)
    return verdict !== 'refused'
  }
}

/** What a leader makes of a token in a message to it: of a TaskManager, the newest that it obeys; none: it obeys none yet. */
export type ToLeader = 'admitted' | 'old' | 'superseded'

/**
 * `old`: the message was for the leader before; all that matters of it comes again with the inventory (R23 b).
 * `superseded`: there is a newer leader, or another one of this epoch, and this one claims again above it (I4).
 */
export function toLeader(own: LeaderToken, told: LeaderToken | undefined): ToLeader {
  if (told === undefined || told === own) return 'admitted'
  return epochOf(told) < epochOf(own) ? 'old' : 'superseded'
}
