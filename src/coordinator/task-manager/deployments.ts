import { type Decision, unchanged } from '../decision.ts'
import { newAttempt } from './progress.ts'
import { withSlot } from './slots.ts'
import type {
  RemoteConnection,
  RemoteSlot,
  SlotJob,
  SlotSubtasks,
  TaskManagerEffect,
  TaskManagerMessage,
  TaskManagerState,
  WaitingDeployment,
} from './state.ts'

type TaskManagerDecision = Decision<TaskManagerState, TaskManagerEffect>

/** Slots of a job that will be deployed to: they load the bundle already. */
export function prepareSlots(
  state: TaskManagerState,
  job: SlotJob,
  slotIndexes: readonly number[],
): TaskManagerDecision {
  let next = state
  const effects: TaskManagerEffect[] = []
  for (const slotIndex of slotIndexes) {
    const type = next.slots[slotIndex]?.type
    if (type !== 'free' && type !== 'reserved') continue
    next = withSlot(next, slotIndex, { type: 'starting', job })
    effects.push({ type: 'startSlot', slotIndex, job })
  }
  return { state: next, effects }
}

export function deploy(
  state: TaskManagerState,
  message: Extract<TaskManagerMessage, { readonly type: 'deploy' }>,
): TaskManagerDecision {
  const { job, deploymentId, slots, remoteSlots } = message
  const waiting = [...state.waiting, { jobId: job.start.jobId, deploymentId, slots, remoteSlots }]
  const prepared = prepareSlots(
    { ...state, waiting },
    job,
    slots.map((entry) => entry.slotIndex),
  )
  const sent = sendWaiting(prepared.state)
  return { state: sent.state, effects: [...prepared.effects, ...sent.effects] }
}

/** Sends each deployment whose slots are all ready, and starts the slots of those that wait for one whose thread has gone. */
export function sendWaiting(state: TaskManagerState): TaskManagerDecision {
  let next: TaskManagerState = { ...state, waiting: [] }
  const effects: TaskManagerEffect[] = []
  for (const deployment of state.waiting) {
    if (!isReady(state, deployment)) {
      next = { ...next, waiting: [...next.waiting, deployment] }
      const started = startReserved(next, deployment)
      next = started.state
      effects.push(...started.effects)
      continue
    }
    for (const { slotIndex, subtasks } of deployment.slots) {
      const slot = next.slots[slotIndex]
      if (slot?.type !== 'running') continue
      const added = subtasks.map(({ attemptId }) => newAttempt(attemptId, deployment.deploymentId))
      next = withSlot(next, slotIndex, { ...slot, attempts: [...slot.attempts, ...added] })
    }
    const { deploymentId, slots, remoteSlots } = deployment
    const pairs = pairsOf(slots)
    const connections = connectionsOf(pairs, slots)
    const remoteConnections = remoteConnectionsOf(pairs, slots, remoteSlots)
    effects.push({ type: 'sendDeployment', deploymentId, connections, remoteConnections, slots })
  }
  return { state: next, effects }
}

function isReady(state: TaskManagerState, deployment: WaitingDeployment): boolean {
  return deployment.slots.every(({ slotIndex }) => state.slots[slotIndex]?.type === 'running')
}

function startReserved(state: TaskManagerState, deployment: WaitingDeployment): TaskManagerDecision {
  let next = state
  const effects: TaskManagerEffect[] = []
  for (const { slotIndex } of deployment.slots) {
    const slot = next.slots[slotIndex]
    if (slot?.type !== 'reserved') continue
    const started = prepareSlots(next, slot.job, [slotIndex])
    next = started.state
    effects.push(...started.effects)
  }
  return effects.length === 0 ? unchanged(state) : { state: next, effects }
}

type SlotPair = readonly [number, number]

/** The pairs of job slots that a deployment has channels between, each once, the lower slot first. */
function pairsOf(slots: readonly SlotSubtasks[]): readonly SlotPair[] {
  const pairs = new Map<string, SlotPair>()
  const add = (one: number, other: number): void => {
    if (one !== other)
      pairs.set(`${Math.min(one, other)}-${Math.max(one, other)}`, [Math.min(one, other), Math.max(one, other)])
  }
  for (const { jobSlot, subtasks } of slots) {
    for (const { inputs, outputs } of subtasks) {
      for (const input of inputs) add(jobSlot, input.fromSlot)
      for (const output of outputs) for (const channel of output.channels) add(jobSlot, channel.toSlot)
    }
  }
  return [...pairs.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1])
}

function connectionsOf(pairs: readonly SlotPair[], slots: readonly SlotSubtasks[]): readonly SlotPair[] {
  const here = new Set(slots.map(({ jobSlot }) => jobSlot))
  return pairs.filter((pair) => pair.every((jobSlot) => here.has(jobSlot)))
}

function remoteConnectionsOf(
  pairs: readonly SlotPair[],
  slots: readonly SlotSubtasks[],
  remoteSlots: readonly RemoteSlot[],
): readonly RemoteConnection[] {
  const here = new Set(slots.map(({ jobSlot }) => jobSlot))
  return pairs.flatMap(([lower, higher]) => {
    const [jobSlot, other] = here.has(lower) ? [lower, higher] : [higher, lower]
    const remote = remoteSlots.find((candidate) => candidate.jobSlot === other)
    return remote === undefined || !here.has(jobSlot) ? [] : [{ jobSlot, remote }]
  })
}
