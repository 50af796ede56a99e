import type { ErrorData } from '../../common/errors.ts'
import type { Timer } from '../../common/ports.ts'
import type { Address } from '../transport/transport.ts'

declare const messageType: unique symbol

/** Where to send messages of type M. */
export interface ActorReference<M> {
  readonly address: Address
  readonly [messageType]?: (message: M) => void
}

/** One inbox, one message at a time; its state belongs to it alone. */
export interface Actor<M> {
  /** Handles a message. What it throws, or rejects with, fails the actor, and its watchers are told. */
  receive(message: M, sender: Sender): void | Promise<void>
  /** An actor that it watches has ended. */
  watchedEnded?(ended: EndedActor): void
  /**
   * Messages to it may have been lost (R22): of one sender, or, `from` undefined, of anybody. It asks for what it has to
   * know, or tells what others have to know. An actor that has no such method fails: it could not go on rightly.
   */
  interrupted?(interruption: Interruption): void
  /** Its last call, however it ends. */
  ended?(): void | Promise<void>
}

export interface Sender {
  readonly address: Address
  /** Answers an `ask`; without effect on a `tell`. */
  answer(value: unknown): void
}

export interface Interruption {
  readonly from: Address | undefined
  readonly reason: string
}

export interface EndedActor {
  readonly address: Address
  /** undefined: it was stopped. */
  readonly error: ErrorData | undefined
}

/** What an actor may do beside handling its messages. */
export interface ActorContext<M> {
  readonly self: ActorReference<M>
  tell<T>(to: ActorReference<T>, message: T): void
  /** @throws MillraceError MR_INTERNAL (rejects) where no answer came within `timeoutMs`, or the other failed on it */
  ask<T>(to: ActorReference<T>, message: T, timeoutMs: number): Promise<unknown>
  /** To be told by `watchedEnded` once, also where it has ended already. */
  watch(actor: ActorReference<never>): void
  /** A message to itself, not before `delayMs` from now. */
  schedule(delayMs: number, message: M): Timer
  /** Starts an actor of its own: it ends with this one, which watches it. */
  spawn<T>(address: Address, behaviour: Behaviour<T>): ActorReference<T>
  /** Ends this actor after the current message. */
  stop(): void
}

export type Behaviour<M> = (context: ActorContext<M>) => Actor<M>
