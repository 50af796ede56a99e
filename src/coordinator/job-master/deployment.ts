import { attemptId, channelId, deploymentId, type VertexId } from '../../common/ids.ts'
import type { ExecutionSubtask } from '../../graph/execution-graph.ts'
import type { PlanVertex } from '../../graph/job-graph.ts'
import type { InputChannel, OutputEdge, SubtaskDeployment } from '../../task/slot-protocol.ts'
import { type Decision, unchanged } from '../decision.ts'
import { checkpointedSplits, finishedSubtasks, type RestorePoint, restoreFrom, subtasksToCommit } from '../restore.ts'
import { splitsOfSubtask } from '../splits.ts'
import type { RemoteSlot } from '../task-manager/state.ts'
import { idsAtDeployment } from '../transactions.ts'
import type { JobMasterEffect, SlotDeployment } from './messages.ts'
import { type JobMasterState, type RegionStatus, restoredId, restorePointOf, type SubtaskExecution } from './state.ts'
import { attemptOf, subtasksOfRegion, withSubtask } from './subtasks.ts'
import { reservationOf, withoutReservation } from './transactional-sinks.ts'

type JobDecision = Decision<JobMasterState, JobMasterEffect>

/**
 * Deploys a region from its restore point. Where that says that the whole region has ended (R12), only what is left to
 * do is deployed: subtasks with lists to commit, or all of them where the new run's records do not have them yet.
 */
export function deployRegion(state: JobMasterState, region: number): JobDecision {
  const subtasks = subtasksOfRegion(state, region)
  const point = restorePointOf(state, region)
  if (point === undefined) return deploySubtasks(state, { region, subtasks, point, closing: false })
  const finished = finishedSubtasks(point.record, state.facts.plan, state.facts.graph)
  if (!subtasks.every((index) => finished[index] === true)) {
    return deploySubtasks(state, { region, subtasks, point, closing: false })
  }
  const closing = subtasks.filter((index) => !canBeCarried(state, point, index) || mustCommit(state, index))
  const rest = subtasks.filter((index) => !closing.includes(index))
  const withFinished = rest.reduce((next, index) => withSubtask(next, index, { type: 'finished' }), state)
  if (closing.length === 0) {
    return unchanged(withRegion(withoutReservation(withFinished, region), region, { type: 'finished' }))
  }
  return deploySubtasks(withFinished, { region, subtasks: closing, point, closing: true })
}

/** Whether the next record can take the subtask's part from the last one of this run. */
function canBeCarried(state: JobMasterState, point: RestorePoint, subtask: number): boolean {
  if (state.checkpoints === undefined) return true
  const place = state.facts.graph.subtasks[subtask]
  const old = point.record.vertices.find((vertex) => vertex.vertexId === place?.vertexId)
  return point.ownRun && old?.parallelism === place?.parallelism
}

function mustCommit(state: JobMasterState, subtask: number): boolean {
  const point = state.restorePoint
  if (state.checkpoints === undefined) {
    return point !== undefined && subtasksToCommit(point, state.facts.plan, state.facts.graph).includes(subtask)
  }
  const { commits } = state.checkpoints
  return commits.type === 'waiting' && commits.subtasks.includes(subtask)
}

interface Deployment {
  readonly region: number
  readonly subtasks: readonly number[]
  readonly point: RestorePoint | undefined
  readonly closing: boolean
}

function deploySubtasks(state: JobMasterState, deployment: Deployment): JobDecision {
  const { region, subtasks, point, closing } = deployment
  const reserved = reservationOf(state, region)
  let next = withRegion(withoutReservation(state, region), region, { type: 'deploying' })
  for (const [offset, index] of subtasks.entries()) {
    const ahead = reserved?.attempts.find((attempt) => attempt.subtask === index)
    next = withSubtask(next, index, {
      type: 'attempt',
      attemptId: ahead?.attemptId ?? attemptId(`${state.facts.token}-${state.attemptsMinted + offset + 1}`),
      status: 'deploying',
      restoredFrom: restoredId(point),
      closing,
      lateSplits: [],
    })
  }
  next = { ...next, attemptsMinted: state.attemptsMinted + subtasks.length }
  const bySlot = new Map<number, SubtaskDeployment[]>()
  for (const index of subtasks) {
    const slot = jobSlotOf(next, index)
    const entries = bySlot.get(slot) ?? []
    entries.push(deploymentOf(next, index, deployment))
    bySlot.set(slot, entries)
  }
  const slots = [...bySlot].flatMap(([number, entries]): SlotDeployment[] => {
    const slot = next.slots[number]
    return slot === undefined ? [] : [{ slot, jobSlot: number, subtasks: entries }]
  })
  // Named by its first attempt, whose id is never used again.
  const id = deploymentId(attemptOf(next, subtasks[0] ?? -1)?.attemptId ?? '')
  return { state: next, effects: [{ type: 'deploy', deploymentId: id, slots }] }
}

/** What the TaskManager is told of the parts of a deployment that others get. */
export function remoteSlotsOf(slots: readonly SlotDeployment[], taskManager: string): readonly RemoteSlot[] {
  return slots.flatMap(({ slot, jobSlot }) =>
    slot.taskManager === taskManager ? [] : [{ jobSlot, taskManager: slot.taskManager, dataAddress: slot.dataAddress }],
  )
}

function deploymentOf(state: JobMasterState, index: number, { point, closing }: Deployment): SubtaskDeployment {
  const subtask = state.facts.graph.subtasks[index] as ExecutionSubtask
  const vertex = vertexOf(state, subtask.vertexId)
  const source = state.sources.find((candidate) => candidate.vertexId === subtask.vertexId)
  return {
    attemptId: currentAttempt(state, index),
    vertexId: subtask.vertexId,
    subtaskIndex: subtask.subtaskIndex,
    parallelism: subtask.parallelism,
    inputs: closing ? [] : inputsOf(state, subtask),
    outputs: outputsOf(state, subtask, closing),
    restore: point === undefined ? undefined : restoreFrom(point, vertex),
    splits: closing ? [] : splitsToRead(state, index),
    noMoreSplits: closing || source?.discoveryIntervalMs === undefined,
    transactionalIds: idsAtDeployment,
  }
}

/** What a subtask of a source reads from its region's restore point on. */
export function splitsToRead(state: JobMasterState, index: number): SubtaskDeployment['splits'] {
  const subtask = state.facts.graph.subtasks[index]
  const source = state.sources.find((candidate) => candidate.vertexId === subtask?.vertexId)
  if (subtask === undefined || source === undefined) return []
  const record = restorePointOf(state, subtask.region)?.record
  const checkpointed = checkpointedSplits(record, vertexOf(state, subtask.vertexId))
  return splitsOfSubtask(source.splits, subtask.subtaskIndex, checkpointed)
}

function inputsOf(state: JobMasterState, subtask: ExecutionSubtask): readonly InputChannel[] {
  return subtask.inputs.flatMap((index) => {
    const channel = state.facts.graph.channels[index]
    const sender = state.facts.graph.subtasks[channel?.from ?? -1]
    if (channel === undefined || sender === undefined) return []
    return [
      {
        channelId: channelId(`${currentAttempt(state, channel.from)}.${index}`),
        edgeId: channel.edgeId,
        fromSubtask: sender.subtaskIndex,
        fromSlot: jobSlotOf(state, channel.from),
      },
    ]
  })
}

function outputsOf(state: JobMasterState, subtask: ExecutionSubtask, closing: boolean): readonly OutputEdge[] {
  return subtask.outputs.map(({ edgeId, channels }) => ({
    edgeId,
    channels: closing
      ? []
      : channels.flatMap((index) => {
          const channel = state.facts.graph.channels[index]
          if (channel === undefined) return []
          const id = channelId(`${currentAttempt(state, subtask.index)}.${index}`)
          return [{ channelId: id, toSlot: jobSlotOf(state, channel.to) }]
        }),
  }))
}

function currentAttempt(state: JobMasterState, subtask: number): SubtaskDeployment['attemptId'] {
  const attempt = attemptOf(state, subtask)
  if (attempt === undefined) throw new TypeError(`subtask ${subtask} has no attempt`)
  return attempt.attemptId
}

function jobSlotOf(state: JobMasterState, subtask: number): number {
  return state.facts.slotOf[subtask] ?? -1
}

export function vertexOf(state: JobMasterState, id: VertexId): PlanVertex {
  const vertex = state.facts.plan.vertices.find((candidate) => candidate.id === id)
  if (vertex === undefined) throw new TypeError(`the plan has no vertex ${id}`)
  return vertex
}

export function withRegion(state: JobMasterState, region: number, status: RegionStatus): JobMasterState {
  const regions = state.regions.map((old, index) => (index === region ? { ...old, status } : old))
  return { ...state, regions }
}

export function isNowhere(execution: SubtaskExecution | undefined): boolean {
  return execution === undefined || execution.type !== 'attempt'
}
