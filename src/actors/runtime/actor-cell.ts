import { errorData, MillraceError } from '../../common/errors.ts'
import type { Timer } from '../../common/ports.ts'
import type { Address, Connection, Delivery, Inbox, SendOutcome } from '../transport/transport.ts'
import type { Actor, ActorContext, ActorReference, Behaviour, EndedActor, Interruption } from './actor.ts'
import type { ActorSystem } from './actor-system.ts'
import { PendingAsks } from './pending-asks.ts'

/** What actors put into envelopes. */
type Body =
  | { readonly type: 'tell'; readonly message: unknown }
  | { readonly type: 'ask'; readonly askId: number; readonly message: unknown }
  | { readonly type: 'answer'; readonly askId: number; readonly value: unknown }
  | { readonly type: 'askFailed'; readonly askId: number; readonly error: ReturnType<typeof errorData> }

/** One actor with its inbox: one message at a time, the next only when the handler has returned or resolved. */
export class ActorCell {
  readonly #system: ActorSystem
  readonly #address: Address
  readonly #inbox: Inbox
  readonly #connection: Connection
  readonly #asks: PendingAsks
  readonly #timers = new Set<Timer>()
  readonly #children = new Set<Address>()
  /** Ends of watched actors, handled between messages. */
  readonly #endedActors: EndedActor[] = []
  #actor: Actor<unknown> | undefined
  #turnScheduled = false
  #handling: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor(system: ActorSystem, address: Address) {
    this.#system = system
    this.#address = address
    this.#inbox = system.options.transport.open(address, () => this.#wake())
    this.#connection = system.options.transport.connect(address, system.options.ports.ids.unique())
    this.#asks = new PendingAsks(system.options.ports.clock)
  }

  start<M>(behaviour: Behaviour<M>): void {
    try {
      // The transport carries plain data; that only messages of the reference's type come is the senders' business.
      this.#actor = behaviour(this.#context<M>()) as Actor<unknown>
      this.#wake()
    } catch (error) {
      void this.end(error)
    }
  }

  watchedEnded(ended: EndedActor): void {
    this.#children.delete(ended.address)
    this.#endedActors.push(ended)
    this.#wake()
  }

  /** `error` undefined: stopped. Its children end before it. */
  end(error: unknown): Promise<void> {
    this.#ending ??= this.#end(error)
    return this.#ending
  }

  async #end(error: unknown): Promise<void> {
    for (const timer of this.#timers) timer.cancel()
    this.#asks.failAll(`the actor ${this.#address} has ended`)
    await Promise.all([...this.#children].map((address) => this.#system.stop({ address })))
    await this.#handling
    let failure = error
    try {
      await this.#actor?.ended?.()
    } catch (thrown) {
      failure ??= thrown
    }
    this.#inbox.close()
    this.#system.cellEnded(this.#address, failure)
  }

  #wake(): void {
    if (this.#turnScheduled || this.#handling !== undefined) return
    this.#turnScheduled = true
    this.#system.options.executor.execute(() => {
      this.#turnScheduled = false
      this.#turn()
    })
  }

  /** Handles what is here, until a handler wants to be waited for. */
  #turn(): void {
    while (this.#ending === undefined && this.#handling === undefined && this.#actor !== undefined) {
      const ended = this.#endedActors.shift()
      const delivery = ended === undefined ? this.#inbox.take() : undefined
      if (ended === undefined && delivery === undefined) return
      try {
        const handled = ended === undefined ? this.#deliver(delivery as Delivery) : this.#actor.watchedEnded?.(ended)
        if (handled instanceof Promise) this.#waitFor(handled)
      } catch (error) {
        void this.end(error)
      }
    }
  }

  #waitFor(handling: Promise<void>): void {
    this.#handling = handling.then(
      () => {
        this.#handling = undefined
        this.#wake()
      },
      (error: unknown) => {
        this.#handling = undefined
        void this.end(error)
      },
    )
  }

  #deliver(delivery: Delivery): void | Promise<void> {
    if (delivery.type !== 'message') return this.#interrupted(delivery)
    const { from, body } = delivery.envelope
    const content = body as Body
    switch (content.type) {
      case 'tell':
        return this.#actor?.receive(content.message, { address: from, answer: () => {} })
      case 'ask':
        return this.#handleAsk(from, content)
      case 'answer':
        return this.#asks.answered(content.askId, content.value)
      case 'askFailed':
        return this.#asks.failed(content.askId, content.error)
    }
  }

  #interrupted(delivery: Exclude<Delivery, { readonly type: 'message' }>): void {
    const interruption = interruptionOf(delivery, this.#address)
    if (this.#actor?.interrupted === undefined) throw new MillraceError('MR_INTERNAL', interruption.reason)
    this.#actor.interrupted(interruption)
  }

  #handleAsk(from: Address, { askId, message }: Extract<Body, { type: 'ask' }>): void | Promise<void> {
    const answer = (value: unknown): void => void this.#send(from, { type: 'answer', askId, value })
    const failed = (error: unknown): never => {
      this.#send(from, { type: 'askFailed', askId, error: errorData(error) })
      throw error
    }
    try {
      const handled = this.#actor?.receive(message, { address: from, answer })
      return handled instanceof Promise ? handled.catch(failed) : undefined
    } catch (error) {
      return failed(error)
    }
  }

  #send(to: Address, body: Body): SendOutcome {
    const outcome = this.#connection.send(to, body)
    if (outcome !== 'accepted') {
      // The receiver is gone, which its watchers are told, or sees a gap: here it is only worth a line.
      this.#system.options.logger.debug({ from: this.#address, to, outcome }, 'message not delivered')
    }
    return outcome
  }

  #context<M>(): ActorContext<M> {
    const self: ActorReference<M> = { address: this.#address }
    return {
      self,
      tell: (to, message) => void this.#send(to.address, { type: 'tell', message }),
      ask: (to, message, timeoutMs) => {
        const { id, answer } = this.#asks.open(to.address, timeoutMs)
        const sent = this.#send(to.address, { type: 'ask', askId: id, message })
        if (sent !== 'accepted')
          this.#asks.failed(id, { code: 'MR_INTERNAL', message: `${to.address} can not be asked` })
        return answer
      },
      watch: (actor) => this.#system.watch(this.#address, actor.address),
      schedule: (delayMs, message) =>
        this.#schedule(delayMs, () => this.#send(self.address, { type: 'tell', message })),
      spawn: (address, behaviour) => {
        const child = this.#system.spawn(address, behaviour)
        this.#children.add(address)
        this.#system.watch(this.#address, address)
        return child
      },
      stop: () => void this.end(undefined),
    }
  }

  #schedule(delayMs: number, action: () => void): Timer {
    const timer = this.#system.options.ports.clock.schedule(delayMs, () => {
      this.#timers.delete(timer)
      action()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }
}

function interruptionOf(delivery: Exclude<Delivery, { readonly type: 'message' }>, to: Address): Interruption {
  if (delivery.type === 'interrupted') return { from: undefined, reason: delivery.reason }
  const { from, expected, received } = delivery
  return { from, reason: `messages ${expected} to ${received - 1} of ${from} to ${to} were lost (R22)` }
}
