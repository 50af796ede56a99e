import { type AttemptId, checkpointId, noCheckpoint } from '../../../src/common/ids.ts'
import type { Decision, Moment } from '../../../src/coordinator/decision.ts'
import { adoptJob } from '../../../src/coordinator/job-master/adopt.ts'
import type { JobRecord } from '../../../src/coordinator/job-master/job-record.ts'
import type { JobMasterEffect } from '../../../src/coordinator/job-master/messages.ts'
import type { JobMasterState } from '../../../src/coordinator/job-master/state.ts'
import type { RestorePoint } from '../../../src/coordinator/restore.ts'
import type { AttemptInventory, Inventory } from '../../../src/coordinator/task-manager/inventory.ts'
import { newestOf, Violation } from './job-rules.ts'
import type { ModelStore } from './job-world.ts'
import type { ModelSlots } from './model-slots.ts'

export interface LostLeader {
  readonly record: JobRecord
  readonly token: string
  readonly slots: ModelSlots
  readonly store: ModelStore
  readonly startedFrom: RestorePoint | undefined
  readonly now: Moment
  readonly taskManagers: readonly { readonly name: string; readonly slots: readonly number[] }[]
}

export interface Adoption {
  readonly decision: Decision<JobMasterState, JobMasterEffect>
  /** Attempts whose ends it was told. */
  readonly ends: readonly AttemptId[]
}

/** Adopts a job from what is durable and what the TaskManagers say; checks that what runs is left alone (R23 c). */
export function adoptFrom(lost: LostLeader): Adoption {
  const { record, token, slots, store, startedFrom, now } = lost
  const inventories = lost.taskManagers.map((taskManager) => inventoryOf(taskManager, slots, record))
  const newest = store.records.get(checkpointId(newestOf(store)))
  const own = (found: NonNullable<typeof newest>): RestorePoint => ({
    ...{ record: found, blobStore: { type: 'memory', name: 'own' } },
    committed: [...store.marked].some((id) => id >= found.id),
    ownRun: true,
  })
  const foreign = startedFrom === undefined || startedFrom.ownRun ? [] : [startedFrom]
  const facts = {
    latest: newest === undefined ? undefined : own(newest),
    points: [...foreign, ...[...store.records.values()].map(own)],
    ledger: store.ledger,
  }
  const decision = adoptJob({ record, token, inventories, facts }, now)
  checkUndisturbed(record, inventories, decision.state)
  return { decision, ends: [...slots.ends.keys()] }
}

function inventoryOf(
  { name, slots: numbers }: LostLeader['taskManagers'][number],
  slots: ModelSlots,
  record: JobRecord,
): Inventory {
  const { jobId } = record.submission
  return {
    ...{ taskManager: name, numberOfSlots: numbers.length, highestToken: undefined },
    slots: numbers.map((slotIndex) => {
      const attempts = [...attemptsIn(slots, slotIndex), ...endsIn(slots, slotIndex)]
      const free = attempts.length === 0
      return { slotIndex, jobId: free ? undefined : jobId, state: free ? 'free' : 'running', attempts } as const
    }),
  }
}

function attemptsIn(slots: ModelSlots, slotIndex: number): readonly AttemptInventory[] {
  return [...slots.attempts.values()].flatMap((attempt) => {
    if (attempt.slot !== slotIndex) return []
    const { attemptId } = attempt.deployment
    const begun = checkpointId(Math.max(attempt.triggered ?? 0, attempt.lastBarrier))
    return [{ attemptId, state: attempt.state, begun, acknowledged: noCheckpoint, completed: noCheckpoint }]
  })
}

function endsIn(slots: ModelSlots, slotIndex: number): readonly AttemptInventory[] {
  return [...slots.ends].flatMap(([attemptId, { slot, end }]) => {
    if (slot !== slotIndex) return []
    const ids = { begun: noCheckpoint, acknowledged: noCheckpoint, completed: noCheckpoint }
    const state = end.type
    return [{ attemptId, state, ...ids, ...(end.type === 'failed' ? { error: end.error } : {}) }]
  })
}

function checkUndisturbed(record: JobRecord, inventories: readonly Inventory[], state: JobMasterState): void {
  if (record.phase.type !== 'running' || state.phase.type !== 'running') return
  const running = new Set(
    inventories
      .flatMap(({ slots }) => slots.flatMap(({ attempts }) => attempts))
      .flatMap(({ attemptId, state: reported }) => (adoptable.has(reported) ? [attemptId] : [])),
  )
  for (const [region, { status }] of record.regions.entries()) {
    const subtasks = state.facts.graph.regions[region]?.subtasks ?? []
    const attempts = subtasks.flatMap((index) => attemptIn(record.subtasks[index]))
    if (status.type !== 'running' || !attempts.every((attemptId) => running.has(attemptId))) continue
    const kept = subtasks.flatMap((index) => attemptIn(state.subtasks[index]))
    const gone = attempts.find((attemptId) => !kept.includes(attemptId) && !hasFinished(attemptId, inventories))
    if (gone !== undefined) throw new Violation(`${gone} ran and was not adopted (R23 c)`)
  }
}

const adoptable: ReadonlySet<AttemptInventory['state']> = new Set(['running', 'ended', 'finished'])

function attemptIn(
  subtask: JobRecord['subtasks'][number] | JobMasterState['subtasks'][number] | undefined,
): readonly AttemptId[] {
  return subtask?.type === 'attempt' && subtask.status !== 'cancelling' ? [subtask.attemptId] : []
}

function hasFinished(attemptId: AttemptId, inventories: readonly Inventory[]): boolean {
  const attempts = inventories.flatMap(({ slots }) => slots.flatMap((slot) => slot.attempts))
  return attempts.some((attempt) => attempt.attemptId === attemptId && attempt.state === 'finished')
}
