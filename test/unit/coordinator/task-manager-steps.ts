import { attemptId, deploymentId, jobId } from '../../../src/common/ids.ts'
import { decide } from '../../../src/coordinator/task-manager/decide.ts'
import {
  newTaskManager,
  type RemoteSlot,
  type SlotJob,
  type TaskManagerEffect,
  type TaskManagerMessage,
  type TaskManagerState,
} from '../../../src/coordinator/task-manager/state.ts'
import type { SubtaskDeployment } from '../../../src/task/slot-protocol.ts'
import { idOf, planOf } from './plans.ts'

export const job: SlotJob = {
  start: {
    jobId: jobId('1'.repeat(32)),
    job: { bundleUrl: 'inline:', arguments: [], configuration: {} },
    plan: planOf([]),
    blobStore: { type: 'memory', name: 'own' },
  },
  cancellationTimeoutMs: 30_000,
}
export const { jobId: id } = job.start

export const subtask = (name: string, change: Partial<SubtaskDeployment> = {}): SubtaskDeployment => ({
  attemptId: attemptId(name),
  vertexId: idOf(name),
  subtaskIndex: 0,
  parallelism: 1,
  inputs: [],
  outputs: [],
  restore: undefined,
  splits: [],
  noMoreSplits: true,
  transactionalIds: 16,
  ...change,
})

export const jobSlotOf = (slotIndex: number): number => 10 - slotIndex
export const remoteSlot: RemoteSlot = { jobSlot: 99, taskManager: 'task-manager/other', dataAddress: 'there:1' }

/** A TaskManager step by step; keeps the effects of the last step. */
export class Steps {
  state: TaskManagerState
  effects: readonly TaskManagerEffect[] = []
  #deployments = 0

  constructor(slots: number) {
    this.state = newTaskManager(slots)
  }

  send(message: TaskManagerMessage): this {
    const { state, effects } = decide(this.state, message)
    this.state = state
    this.effects = effects
    return this
  }

  deploy(slots: Readonly<Record<number, readonly SubtaskDeployment[]>>): this {
    // Job slots are numbered differently than slots, and a third one is of another TaskManager.
    const entries = Object.entries(slots).map(([slotIndex, subtasks]) => {
      return { slotIndex: Number(slotIndex), jobSlot: jobSlotOf(Number(slotIndex)), subtasks }
    })
    const id = deploymentId(`deployment-${++this.#deployments}`)
    return this.send({ type: 'deploy', job, deploymentId: id, slots: entries, remoteSlots: [remoteSlot] })
  }

  ready(slotIndex: number): this {
    return this.send({ type: 'fromSlot', slotIndex, message: { type: 'ready' } })
  }

  cancel(...names: readonly string[]): this {
    return this.send({ type: 'cancelAttempts', jobId: id, attemptIds: names.map(attemptId) })
  }

  exit(slotIndex: number): this {
    return this.send({ type: 'slotExited', slotIndex, cause: { type: 'stopped' } })
  }

  get types(): readonly string[] {
    return this.effects.map(({ type }) => type)
  }

  get reports(): readonly string[] {
    return this.effects.flatMap((effect) => {
      if (effect.type !== 'report' || !('attemptId' in effect.message)) return []
      return [`${effect.message.type} ${effect.message.attemptId}`]
    })
  }
}
