import type { SourceSplit } from '../../src/api/source.ts'
import { type AttemptId, type ChannelId, type CheckpointId, checkpointId, type VertexId } from '../../src/common/ids.ts'
import type { JobFacts } from '../../src/coordinator/job-master/state.ts'
import type { FromSlot, SubtaskDeployment, ToSlot } from '../../src/task/slot-protocol.ts'
import { type Mutation, type Rules, Violation } from './rules.ts'
import type { Runner, Scheduler } from './scheduler.ts'

type Element = { readonly record: string } | { readonly barrier: CheckpointId } | 'end'

interface Snapshot {
  readonly splits: readonly SourceSplit[]
  readonly counts: Readonly<Record<string, number>>
  readonly lists: readonly string[]
}

export const recordsOfSplit = 100
const keys = 3
const noMetrics = { alignmentMs: 0, pauseMs: 0, durationMs: 0, writtenBytes: 1 }

/** What outlives processes beside Redis: blobs of state, and what sinks have written to the outer system. */
export class OuterWorld {
  readonly snapshots = new Map<string, Snapshot>()
  /** Prepared transactions, by attempt and checkpoint. */
  readonly prepared = new Map<string, readonly string[]>()
  readonly committed = new Map<string, readonly string[]>()
  readonly #fenced = new Set<string>()
  readonly #rules: Rules

  constructor(rules: Rules) {
    this.#rules = rules
  }

  commit(list: string): void {
    if (this.committed.has(list)) return
    const records = this.prepared.get(list)
    if (records === undefined) throw new Violation(`I8: ${list} was aborted and is to be committed`)
    this.#rules.committed(list)
    this.committed.set(list, records)
  }

  /** Ends what this attempt has open (R16). */
  fence(attempt: string): void {
    this.#fenced.add(attempt)
    for (const list of [...this.prepared.keys()]) {
      if (list.startsWith(`${attempt}/`) && !this.committed.has(list)) this.prepared.delete(list)
    }
  }

  isFenced(attempt: string): boolean {
    return this.#fenced.has(attempt)
  }
}

export interface PlaneSettings {
  readonly facts: JobFacts
  readonly scheduler: Scheduler
  readonly rules: Rules
  readonly world: OuterWorld
  readonly mutation: Mutation | undefined
  /** Between the attempts of all TaskManagers. */
  readonly channels: Map<ChannelId, Element[]>
}

/** A subtask: reads numbers, counts them by key, or writes them, with aligned barriers. */
class Attempt {
  readonly deployment: SubtaskDeployment
  readonly slotIndex: number
  readonly kind: 'source' | 'count' | 'sink'
  state: 'deploying' | 'running' | 'ended' = 'deploying'
  readonly splits: Map<string, number>
  counts: Record<string, number> = {}
  buffer: string[] = []
  lists: string[] = []
  readonly ended = new Set<ChannelId>()
  readonly aligned = new Set<ChannelId>()
  aligning = 0
  lastBarrier = 0
  triggered: CheckpointId | undefined
  firstFinished: CheckpointId | undefined

  constructor(deployment: SubtaskDeployment, slotIndex: number, kind: Attempt['kind']) {
    this.deployment = deployment
    this.slotIndex = slotIndex
    this.kind = kind
    this.splits = new Map(deployment.splits.map(({ id, position }) => [id, Number(position)]))
  }
}

/** The slots of one TaskManager with what runs in them. */
export class DataPlane {
  readonly #settings: PlaneSettings
  readonly #runner: Runner
  readonly #attempts = new Map<AttemptId, Attempt>()
  readonly #say: (slotIndex: number, message: FromSlot) => void

  constructor(settings: PlaneSettings, runner: Runner, say: (slotIndex: number, message: FromSlot) => void) {
    this.#settings = settings
    this.#runner = runner
    this.#say = say
  }

  deploy(slotIndex: number, subtasks: readonly SubtaskDeployment[]): void {
    for (const deployment of subtasks) {
      const { attemptId, vertexId, subtaskIndex } = deployment
      this.#settings.rules.started(attemptId, `${vertexId}/${subtaskIndex}`)
      const attempt = new Attempt(deployment, slotIndex, this.#kindOf(vertexId))
      this.#attempts.set(attemptId, attempt)
      this.#next(attempt)
    }
  }

  terminate(slotIndex: number): void {
    for (const [id, attempt] of this.#attempts) if (attempt.slotIndex === slotIndex) this.#attempts.delete(id)
  }

  tell(slotIndex: number, message: ToSlot): void {
    if (message.type === 'cancel') {
      for (const attemptId of message.attemptIds) {
        if (this.#attempts.delete(attemptId)) this.#say(slotIndex, { type: 'canceled', attemptId })
      }
      return
    }
    if (message.type === 'fenceTransactions') {
      const { attemptId, fence } = message
      if (!this.#attempts.has(attemptId)) return
      for (const id of message.transactionalIds) this.#fence(id)
      this.#say(slotIndex, { type: 'transactionsFenced', attemptId, fence })
      return
    }
    for (const attempt of this.#attempts.values()) {
      if (attempt.slotIndex === slotIndex) this.#tellAttempt(attempt, message)
    }
  }

  /** Ids hold the name of the attempt that they were of. */
  #fence(transactionalId: string): void {
    const { world } = this.#settings
    for (const list of world.prepared.keys()) {
      const attempt = list.slice(0, list.lastIndexOf('/'))
      if (transactionalId.includes(`-${attempt}-`)) world.fence(attempt)
    }
  }

  #kindOf(vertexId: VertexId): Attempt['kind'] {
    const vertex = this.#settings.facts.plan.vertices.find(({ id }) => id === vertexId)
    if (vertex?.source !== undefined) return 'source'
    return vertex?.operators[0]?.sink === undefined ? 'count' : 'sink'
  }

  #tellAttempt(attempt: Attempt, message: ToSlot): void {
    switch (message.type) {
      case 'triggerCheckpoint':
        if (message.barrier.id > attempt.lastBarrier) attempt.triggered = message.barrier.id
        break
      case 'checkpointAborted':
        if (attempt.triggered === message.checkpointId) attempt.triggered = undefined
        if (attempt.aligning === message.checkpointId) this.#giveUpAlignment(attempt)
        break
      case 'checkpointCompleted':
        if (attempt.state !== 'deploying') this.#commit(attempt, message.checkpointId)
        break
      case 'addSplits':
        if (attempt.deployment.attemptId === message.attemptId) addSplits(attempt, message.splits)
        break
      default:
    }
  }

  #giveUpAlignment(attempt: Attempt): void {
    attempt.lastBarrier = Math.max(attempt.lastBarrier, attempt.aligning)
    attempt.aligning = 0
    attempt.aligned.clear()
  }

  #next(attempt: Attempt): void {
    const { scheduler } = this.#settings
    scheduler.after(scheduler.between(30, 120), this.#runner, () => {
      if (this.#attempts.get(attempt.deployment.attemptId) !== attempt) return
      if (scheduler.unlucky(0.0006)) this.#fail(attempt, 'it threw')
      else if (attempt.state === 'deploying') this.#run(attempt)
      else this.#work(attempt)
      this.#next(attempt)
    })
  }

  #fail({ slotIndex, deployment: { attemptId } }: Attempt, message: string): void {
    if (!this.#attempts.delete(attemptId)) return
    this.#say(slotIndex, { type: 'failed', attemptId, error: { code: 'MR_USER_FUNCTION', message } })
  }

  #run(attempt: Attempt): void {
    const { restore, subtaskIndex, attemptId } = attempt.deployment
    const part = restore?.manifests.find((manifest) => manifest.subtaskIndex === subtaskIndex)
    const snapshot = part === undefined ? undefined : this.#settings.world.snapshots.get(part.manifest.name)
    if (part !== undefined && snapshot === undefined) throw new Violation(`I6: ${part.manifest.name} does not exist`)
    attempt.counts = { ...snapshot?.counts }
    if (restore?.committed === false && part?.settled !== true) {
      for (const list of snapshot?.lists ?? []) this.#settings.world.commit(list)
    }
    attempt.state = 'running'
    this.#say(attempt.slotIndex, { type: 'running', attemptId })
  }

  #work(attempt: Attempt): void {
    if (attempt.state === 'running') {
      if (attempt.kind === 'source') this.#read(attempt)
      else this.#receive(attempt)
    }
    const inputs = attempt.deployment.inputs.filter(({ channelId }) => !attempt.ended.has(channelId))
    if (inputs.length === 0 && attempt.triggered !== undefined) {
      const id = attempt.triggered
      this.#emit(attempt, { barrier: id })
      this.#snapshot(attempt, id)
    }
  }

  #read(attempt: Attempt): void {
    let left = 1
    for (const [id, position] of attempt.splits) {
      for (let at = position; at < recordsOfSplit && left > 0; at++, left--) {
        attempt.splits.set(id, at + 1)
        this.#emit(attempt, { record: `${id}:${at}` })
      }
    }
    if (left === 1) this.#end(attempt)
  }

  #end(attempt: Attempt): void {
    this.#emit(attempt, 'end')
    attempt.state = 'ended'
    this.#say(attempt.slotIndex, { type: 'ended', attemptId: attempt.deployment.attemptId })
  }

  #receive(attempt: Attempt): void {
    for (const { channelId } of attempt.deployment.inputs) {
      const queue = this.#queue(channelId)
      while (queue.length > 0 && !attempt.aligned.has(channelId)) {
        const element = queue.shift()
        if (element === 'end') attempt.ended.add(channelId)
        else if (element !== undefined && 'record' in element) this.#process(attempt, element.record)
        else if (element !== undefined) this.#align(attempt, channelId, element.barrier)
      }
    }
    this.#alignedAll(attempt)
    if (attempt.deployment.inputs.every(({ channelId }) => attempt.ended.has(channelId))) this.#end(attempt)
  }

  #align(attempt: Attempt, channelId: ChannelId, id: CheckpointId): void {
    if (id <= attempt.lastBarrier || id < attempt.aligning) return
    if (id > attempt.aligning) {
      this.#giveUpAlignment(attempt)
      attempt.aligning = id
    }
    attempt.aligned.add(channelId)
  }

  #alignedAll(attempt: Attempt): void {
    if (attempt.aligning === 0) return
    const open = attempt.deployment.inputs.filter(({ channelId }) => !attempt.ended.has(channelId))
    if (!open.every(({ channelId }) => attempt.aligned.has(channelId))) return
    const id = checkpointId(attempt.aligning)
    attempt.aligning = 0
    attempt.aligned.clear()
    this.#emit(attempt, { barrier: id })
    this.#snapshot(attempt, id)
  }

  #process(attempt: Attempt, record: string): void {
    if (attempt.kind === 'sink') {
      attempt.buffer.push(record)
      return
    }
    const key = keyOf(record)
    attempt.counts[key] = (attempt.counts[key] ?? 0) + 1
    this.#emit(attempt, { record: `${key}#${attempt.counts[key]}` })
  }

  #emit(attempt: Attempt, element: Element): void {
    for (const { channels } of attempt.deployment.outputs) {
      const isRecord = element !== 'end' && 'record' in element
      const one = isRecord ? numberOf(keyOf(element.record)) % channels.length : 0
      const to = isRecord ? channels.slice(one, one + 1) : channels
      for (const { channelId } of to) this.#queue(channelId).push(element)
    }
  }

  #queue(channelId: ChannelId): Element[] {
    const { channels } = this.#settings
    const queue = channels.get(channelId) ?? []
    channels.set(channelId, queue)
    return queue
  }

  #snapshot(attempt: Attempt, id: CheckpointId): void {
    const { world, rules } = this.#settings
    const { attemptId, vertexId, subtaskIndex } = attempt.deployment
    attempt.triggered = undefined
    attempt.lastBarrier = id
    if (this.#settings.scheduler.unlucky(0.005)) {
      const error = { code: 'MR_STORAGE', message: 'no space' } as const
      this.#say(attempt.slotIndex, { type: 'checkpointDeclined', attemptId, checkpointId: id, error })
      return
    }
    const name = `${attemptId}/${id}`
    if (attempt.buffer.length > 0) {
      if (world.isFenced(attemptId)) {
        this.#fail(attempt, 'its transactions were fenced')
        return
      }
      world.prepared.set(name, attempt.buffer)
      attempt.lists.push(name)
      attempt.buffer = []
    }
    const finished = attempt.state === 'ended'
    if (finished) attempt.firstFinished ??= id
    const splits = [...attempt.splits].map(([split, position]) => ({ id: split, position }))
    world.snapshots.set(name, { splits, counts: { ...attempt.counts }, lists: [...attempt.lists] })
    rules.acknowledged(name, `${vertexId}/${subtaskIndex}`, attemptId, id)
    this.#say(attempt.slotIndex, {
      ...{ type: 'checkpointAcknowledged', attemptId, checkpointId: id, splits, finished },
      ...{ manifest: { name, length: 1, checksum: 0 }, hasCommittables: attempt.lists.length > 0, metrics: noMetrics },
    })
  }

  #commit(attempt: Attempt, id: CheckpointId): void {
    const { attemptId } = attempt.deployment
    const { world } = this.#settings
    for (const list of attempt.lists) if (Number(list.slice(list.lastIndexOf('/') + 1)) <= id) world.commit(list)
    attempt.lists = attempt.lists.filter((list) => !world.committed.has(list))
    this.#say(attempt.slotIndex, { type: 'committed', attemptId, checkpointId: id })
    if (attempt.firstFinished === undefined || attempt.firstFinished > id) return
    this.#attempts.delete(attemptId)
    this.#say(attempt.slotIndex, { type: 'finished', attemptId })
  }
}

/** Known ones are told again by a new leader. */
function addSplits(attempt: Attempt, splits: readonly SourceSplit[]): void {
  for (const { id, position } of splits) {
    if (!attempt.splits.has(id)) attempt.splits.set(id, Number(position))
  }
}

function numberOf(key: string): number {
  return Number(key.slice(1))
}

/** Records of sources are `<split>:<number>`, counted ones `k<key>#<count>`. */
function keyOf(record: string): string {
  return record.startsWith('k') ? record.slice(0, record.indexOf('#')) : `k${Number(record.split(':')[1]) % keys}`
}

/** What the sinks have to have written in the end. */
export function expectedResults(splits: readonly string[], isCounted: boolean): readonly string[] {
  const records = splits.flatMap((id) => Array.from({ length: recordsOfSplit }, (_, at) => `${id}:${at}`))
  if (!isCounted) return records
  const counts: Record<string, number> = {}
  return records.map((record) => {
    const key = keyOf(record)
    counts[key] = (counts[key] ?? 0) + 1
    return `${key}#${counts[key]}`
  })
}
