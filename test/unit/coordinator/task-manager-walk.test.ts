import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AttemptId, deploymentId } from '../../../src/common/ids.ts'
import type { TaskManagerEffect, TaskManagerMessage } from '../../../src/coordinator/task-manager/state.ts'
import { seeded } from './model-slots.ts'
import { id, job, Steps, subtask } from './task-manager-steps.ts'

interface Thread {
  ready: boolean
  readonly attempts: Set<AttemptId>
}

/** A TaskManager whose threads do anything they may do; what it does is checked on the way. */
class Walk {
  readonly open = new Set<AttemptId>()
  readonly steps = new Steps(3)
  readonly #random: () => number
  readonly #threads = new Map<number, Thread>()
  #minted = 0

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  send(message: TaskManagerMessage): void {
    this.steps.send(message)
    for (const effect of this.steps.effects) this.#perform(effect)
  }

  deploySomething(): void {
    const slotIndexes = [0, 1, 2].filter(() => this.#random() < 0.6)
    const deployment = deploymentId(`d${this.#minted}`)
    const slots = slotIndexes.map((slotIndex) => {
      return { slotIndex, jobSlot: slotIndex, subtasks: [subtask(`t${this.#minted++}`)] }
    })
    for (const { subtasks } of slots) for (const { attemptId } of subtasks) this.open.add(attemptId)
    this.send({ type: 'deploy', job, deploymentId: deployment, slots, remoteSlots: [] })
  }

  cancel(share: number): void {
    const attemptIds = [...this.open].filter(() => this.#random() < share)
    this.send({ type: 'cancelAttempts', jobId: id, attemptIds })
  }

  anyStep(): void {
    const choice = this.#random()
    if (choice < 0.15) this.deploySomething()
    else if (choice < 0.25) this.cancel(0.7)
    else this.threadSteps(1)
  }

  threadSteps(count: number): void {
    for (let step = 0; step < count; step++) this.#threadStep(Math.floor(this.#random() * 3))
  }

  #perform(effect: TaskManagerEffect): void {
    switch (effect.type) {
      case 'startSlot':
        expect(this.#threads.has(effect.slotIndex), 'started again before its thread has gone').toBe(false)
        this.#threads.set(effect.slotIndex, { ready: false, attempts: new Set() })
        break
      case 'sendDeployment':
        for (const { slotIndex, subtasks } of effect.slots) {
          const thread = this.#threads.get(slotIndex)
          expect(thread?.ready, 'a deployment goes to a thread that is ready').toBe(true)
          for (const { attemptId } of subtasks) thread?.attempts.add(attemptId)
        }
        break
      case 'slotFreed':
        expect(this.#threads.has(effect.slotIndex), 'free with a thread').toBe(false)
        break
      case 'report':
        this.#answered(effect)
        break
      default:
    }
  }

  #answered({ message }: Extract<TaskManagerEffect, { readonly type: 'report' }>): void {
    if (message.type === 'finished' || message.type === 'canceled' || message.type === 'failed') {
      this.open.delete(message.attemptId)
    }
  }

  #threadStep(slotIndex: number): void {
    const thread = this.#threads.get(slotIndex)
    if (thread === undefined) return
    const stopping = this.steps.state.slots[slotIndex]?.type === 'stopping'
    if (stopping || this.#random() < 0.05) {
      this.#threads.delete(slotIndex)
      const died = { type: 'died', reason: 'shot', code: 'MR_SLOT_LOST' } as const
      this.send({ type: 'slotExited', slotIndex, cause: stopping ? { type: 'stopped' } : died })
    } else if (thread.ready) this.#endOne(slotIndex, thread)
    else {
      thread.ready = true
      this.send({ type: 'fromSlot', slotIndex, message: { type: 'ready' } })
    }
  }

  #endOne(slotIndex: number, thread: Thread): void {
    const [attemptId] = thread.attempts
    if (attemptId === undefined) return
    thread.attempts.delete(attemptId)
    const slot = this.steps.state.slots[slotIndex]
    const known =
      slot?.type === 'running' ? slot.attempts.find((attempt) => attempt.attemptId === attemptId) : undefined
    const error = { code: 'MR_USER_FUNCTION', message: 'threw' } as const
    if (known?.cancelling === true) this.send({ type: 'fromSlot', slotIndex, message: { type: 'canceled', attemptId } })
    else if (this.#random() < 0.5) this.send({ type: 'fromSlot', slotIndex, message: { type: 'finished', attemptId } })
    else this.send({ type: 'fromSlot', slotIndex, message: { type: 'failed', attemptId, error } })
  }
}

test('no slot is used twice, nothing is sent to a thread that is not there, and every attempt is answered (R32)', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const walk = new Walk(seed)
      for (let step = 0; step < 200; step++) walk.anyStep()
      walk.cancel(1)
      walk.threadSteps(300)
      expect([...walk.open], 'every attempt is answered').toEqual([])
      walk.send({ type: 'releaseSlots', jobId: id, slotIndexes: [0, 1, 2] })
      walk.threadSteps(100)
      expect(walk.steps.state.slots.map(({ type }) => type)).toEqual(['free', 'free', 'free'])
    }),
    { numRuns: 300 },
  )
})
