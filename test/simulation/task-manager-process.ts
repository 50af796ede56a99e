import type { JobId, LeaderToken } from '../../src/common/ids.ts'
import { decide } from '../../src/coordinator/task-manager/decide.ts'
import type { Inventory } from '../../src/coordinator/task-manager/inventory.ts'
import { obeyToken } from '../../src/coordinator/task-manager/obedience.ts'
import { inventoryOf } from '../../src/coordinator/task-manager/progress.ts'
import {
  newTaskManager,
  type TaskManagerEffect,
  type TaskManagerMessage,
  type TaskManagerState,
} from '../../src/coordinator/task-manager/state.ts'
import type { FromSlot } from '../../src/task/slot-protocol.ts'
import { DataPlane, type PlaneSettings } from './data-plane.ts'
import { Received } from './received.ts'
import { Connection, type Envelope, type RedisModel } from './redis-model.ts'
import type { Runner } from './scheduler.ts'

export const slotsOfTaskManager = 2

export type ToTaskManager =
  | { readonly type: 'hello'; readonly round: number }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'declaredLost' }
  | { readonly type: 'command'; readonly message: TaskManagerMessage }

export type ToLeader =
  | { readonly type: 'register' | 'heartbeat' | 'messagesLost' }
  | { readonly type: 'tokenRefused'; readonly highest: LeaderToken }
  | { readonly type: 'inventory'; readonly round: number; readonly inventory: Inventory }
  | { readonly type: 'report'; readonly event: FromSlot }
  | { readonly type: 'slotFreed'; readonly slotIndex: number; readonly jobId: JobId }

/** One life of a TaskManager's working process. */
export class TaskManagerProcess {
  readonly id: string
  readonly runner: Runner = { alive: true, pausedUntilMs: 0 }
  readonly #plane: DataPlane
  readonly #settings: PlaneSettings
  readonly #redis: RedisModel
  readonly #connection: Connection
  readonly #received: Received
  readonly #timers = new Map<string, number>()
  readonly #threads = new Map<number, number>()
  #state: TaskManagerState = newTaskManager(slotsOfTaskManager, true)
  #obeyed: LeaderToken | undefined
  #sequence = 0
  #position = 0
  #registered = false
  #started = 0

  constructor(id: string, settings: PlaneSettings, redis: RedisModel) {
    this.id = id
    this.#settings = settings
    this.#redis = redis
    this.#connection = new Connection(id, this.runner, 0.02)
    this.#received = new Received(settings.mutation)
    this.#plane = new DataPlane(settings, this.runner, (slotIndex, message) => {
      this.#follow({ type: 'fromSlot', slotIndex, message })
    })
    this.#heartbeat()
  }

  #heartbeat(): void {
    const { scheduler } = this.#settings
    // Its stream was deleted with it when it was declared lost (R22).
    if (this.#registered && !this.#redis.inboxes.has(this.id)) {
      this.end('its inbox is gone')
      return
    }
    this.#send({ type: this.#obeyed === undefined ? 'register' : 'heartbeat' })
    scheduler.after(1000, this.runner, () => this.#heartbeat())
  }

  end(reason: string): void {
    this.runner.alive = false
    this.#settings.scheduler.log(this.id, () => `ends: ${reason}`)
  }

  /** Something has come into its inbox. */
  read(): void {
    const inbox = this.#redis.inboxes.get(this.id) ?? []
    while (this.#position < inbox.length && this.runner.alive) this.#receive(inbox[this.#position++] as Envelope)
  }

  #receive({ from, token, sequence, body }: Envelope): void {
    const { scheduler, rules, mutation } = this.#settings
    if (token === undefined) return
    const { verdict: obedience } = obeyToken({ highest: this.#obeyed }, token)
    if (obedience === 'refused' && mutation !== 'I4 every leader is obeyed') {
      this.#send({ type: 'tokenRefused', highest: this.#obeyed ?? token })
      return
    }
    if (token !== this.#obeyed) this.#sequence = 0
    this.#obeyed = token
    rules.obeyed(this.id, token)
    const verdict = this.#received.verdict(`${from} ${token}`, sequence)
    if (verdict === 'repeated') return
    if (verdict === 'gap') this.#send({ type: 'messagesLost' })
    const message = body as ToTaskManager
    scheduler.log(this.id, () => `← ${JSON.stringify(message).slice(0, 160)}`)
    this.#registered = true
    switch (message.type) {
      case 'hello':
        this.#send({ type: 'inventory', round: message.round, inventory: this.#inventory() })
        break
      case 'declaredLost':
        this.end('it was declared lost')
        break
      case 'command':
        this.#follow(message.message)
        break
      case 'heartbeat':
        break
    }
  }

  #send(body: ToLeader): void {
    const { scheduler } = this.#settings
    const envelope = { from: this.id, token: this.#obeyed, sequence: ++this.#sequence, body }
    const times = scheduler.unlucky(0.02) ? 2 : 1
    for (let time = 0; time < times; time++) {
      this.#redis.call(
        this.#connection,
        () => this.#redis.append('leader', envelope),
        ({ type }) => {
          const isOff = this.#settings.mutation === 'I9 lost messages are not noticed'
          if (isOff || type === 'done' || body.type === 'messagesLost') return
          scheduler.after(200, this.runner, () => this.#send({ type: 'messagesLost' }))
        },
      )
    }
  }

  #inventory(): Inventory {
    return inventoryOf(this.#state, { taskManager: this.id, highestToken: this.#obeyed, lostPeers: [] })
  }

  #follow(message: TaskManagerMessage): void {
    const { state, effects } = decide(this.#state, message)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: TaskManagerEffect): void {
    const { scheduler } = this.#settings
    switch (effect.type) {
      case 'startSlot':
        this.#startThread(effect.slotIndex)
        break
      case 'sendDeployment':
        for (const { slotIndex, subtasks } of effect.slots) this.#plane.deploy(slotIndex, subtasks)
        break
      case 'toSlot':
        this.#plane.tell(effect.slotIndex, effect.message)
        break
      case 'terminateSlot': {
        const { slotIndex } = effect
        this.#plane.terminate(slotIndex)
        this.#threads.delete(slotIndex)
        scheduler.after(scheduler.between(2, 20), this.runner, () => {
          this.#follow({ type: 'slotExited', slotIndex, cause: { type: 'stopped' } })
        })
        break
      }
      case 'killProcess':
        this.end('a thread is stuck')
        break
      case 'report':
        this.#report(effect.message)
        break
      case 'slotFreed':
        this.#send({ type: 'slotFreed', slotIndex: effect.slotIndex, jobId: effect.jobId })
        break
      case 'setTimer': {
        const key = JSON.stringify(effect.timer)
        const number = (this.#timers.get(key) ?? 0) + 1
        this.#timers.set(key, number)
        scheduler.after(effect.delayMs, this.runner, () => {
          if (this.#timers.get(key) === number) this.#follow({ type: 'timer', timer: effect.timer })
        })
        break
      }
      case 'cancelTimer': {
        const key = JSON.stringify(effect.timer)
        this.#timers.set(key, (this.#timers.get(key) ?? 0) + 1)
        break
      }
    }
  }

  #startThread(slotIndex: number): void {
    const { scheduler } = this.#settings
    const thread = ++this.#started
    this.#threads.set(slotIndex, thread)
    scheduler.after(scheduler.between(10, 60), this.runner, () => {
      if (this.#threads.get(slotIndex) === thread) {
        this.#follow({ type: 'fromSlot', slotIndex, message: { type: 'ready' } })
      }
    })
  }

  #report(event: FromSlot): void {
    this.#settings.scheduler.log(this.id, () => `→ ${JSON.stringify(event).slice(0, 160)}`)
    this.#send({ type: 'report', event })
  }
}
