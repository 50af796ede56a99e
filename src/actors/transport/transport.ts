/**
 * How messages get from actor to actor. Two implementations: in process, and Redis streams; one conformance suite holds
 * both (test/unit/actors/transport-conformance.ts). Messages are plain data, so that the structured clone algorithm and
 * a serializer carry them alike.
 */
export interface Transport {
  /** The inbox of an address; one at a time. `onArrival` is called when something may have come, also once too often. */
  open(address: Address, onArrival: () => void): Inbox
  /** Numbers what it sends, for each receiver: one sender under one token (R22). */
  connect(sender: Address, token: string): Connection
}

/** Names one life of an actor within a cluster, such as `job-master/<job id>`: one that comes again has another, since senders number on (R22). */
export type Address = string

export interface Inbox {
  /** The next message, or what is missing before it; undefined: nothing is here. */
  take(): Delivery | undefined
  /** Nothing arrives any more. */
  close(): void
}

export interface Connection {
  send(to: Address, body: unknown): SendOutcome
}

/** `full`: the receiver's inbox holds as much as it may. `unknown`: no such inbox. In both cases the message is lost, and its number is used: the receiver sees a gap. */
export type SendOutcome = 'accepted' | 'full' | 'unknown'

export type Delivery =
  | { readonly type: 'message'; readonly envelope: Envelope }
  /** Messages of this sender were lost on the way. The one that showed it follows (I9). */
  | {
      readonly type: 'gap'
      readonly from: Address
      readonly token: string
      readonly expected: number
      readonly received: number
    }
  /** Messages of anybody may have been lost: the connection broke, or the stream is not what it was (R22). */
  | { readonly type: 'interrupted'; readonly reason: string }

export interface Envelope {
  readonly protocolVersion: 1
  readonly from: Address
  /** Of this life of the sender: numbers start anew with each (R22). */
  readonly token: string
  /** From 1, without gaps, for each (sender, token, leader's token, receiver). */
  readonly sequence: number
  /** From a leader: its fencing token. To a leader: the newest token that the sender obeys (I4). */
  readonly leaderToken?: string
  readonly body: unknown
}
