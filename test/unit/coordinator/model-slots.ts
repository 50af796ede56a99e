import type { AttemptId, CheckpointId } from '../../../src/common/ids.ts'
import { checkpointId } from '../../../src/common/ids.ts'
import type { JobFacts, SlotAddress } from '../../../src/coordinator/job-master/state.ts'
import type { FromSlot, SubtaskDeployment, ToSlot } from '../../../src/task/slot-protocol.ts'

/** Numbers in [0, 1) from a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export interface ModelAttempt {
  readonly deployment: SubtaskDeployment
  /** Index in ExecutionGraph.subtasks. */
  readonly subtask: number
  readonly slot: number
  state: 'deploying' | 'running' | 'ended'
  triggered: CheckpointId | undefined
  lastBarrier: number
  firstFinished: CheckpointId | undefined
  /** Checkpoints whose completion it was told and has not acted on. */
  readonly completions: CheckpointId[]
  /** Lists that are prepared and not committed, by the name of attempt and checkpoint. */
  pending: string[]
}

/** What outlives a JobMaster: what was written and what was published. */
export interface World {
  /** What each manifest lists to be committed. */
  readonly lists: Map<string, readonly string[]>
  readonly committedLists: Set<string>
  /** `<checkpoint>/<manifest>` → the subtask that acknowledged it. */
  readonly acks: Map<string, string>
}

export const newWorld = (): World => ({ lists: new Map(), committedLists: new Set(), acks: new Map() })

type AttemptEnd = Extract<FromSlot, { readonly type: 'finished' | 'failed' | 'canceled' }>

/** The slots of a TaskManager with the attempts in them, as messages see them: every slot in order, slots in any order. */
export class ModelSlots {
  readonly attempts = new Map<AttemptId, ModelAttempt>()
  /** No more faults. */
  healed = false
  readonly #facts: JobFacts
  readonly #world: World
  readonly #random: () => number
  readonly #toSlots = new Map<number, ToSlot[]>()
  readonly #fromSlots = new Map<number, FromSlot[]>()
  /** How attempts have ended, until a leader has recorded it. */
  readonly ends = new Map<AttemptId, { readonly slot: number; readonly end: AttemptEnd }>()
  readonly #lost = new Set<number>()

  constructor(facts: JobFacts, world: World, random: () => number) {
    this.#facts = facts
    this.#world = world
    this.#random = random
  }

  send(slot: SlotAddress, message: ToSlot): void {
    if (this.#lost.has(slot.slotIndex)) return
    this.#toSlots.set(slot.slotIndex, [...(this.#toSlots.get(slot.slotIndex) ?? []), message])
  }

  /** The TaskManager of these slots is gone, with everything in them. */
  lose(slots: readonly number[]): void {
    for (const slot of slots) {
      this.#lost.add(slot)
      this.#toSlots.delete(slot)
      for (const [attemptId, attempt] of this.attempts) if (attempt.slot === slot) this.attempts.delete(attemptId)
      for (const [attemptId, end] of this.ends) if (end.slot === slot) this.ends.delete(attemptId)
    }
  }

  /** A new leader's Hello comes after everything that was sent before; what was said to the old one may be lost with it. */
  changeLeader(): void {
    for (const [slot, queue] of this.#toSlots) for (const message of queue.splice(0)) this.#handle(slot, message)
    for (const queue of this.#fromSlots.values()) if (this.#random() < 0.5) queue.splice(0)
  }

  /** What can happen now. `deliver` undefined: there is no leader. */
  events(deliver: ((message: FromSlot) => void) | undefined): (() => void)[] {
    const events: (() => void)[] = []
    for (const [slot, queue] of this.#toSlots) {
      const message = queue[0]
      if (message === undefined) continue
      events.push(() => {
        queue.shift()
        this.#handle(slot, message)
      })
    }
    for (const queue of this.#fromSlots.values()) {
      const message = queue[0]
      if (message === undefined || deliver === undefined) continue
      events.push(() => {
        queue.shift()
        deliver(message)
      })
    }
    for (const attempt of this.attempts.values()) events.push(...this.#attemptEvents(attempt))
    return events
  }

  #say(slot: number, message: FromSlot): void {
    if (message.type === 'finished' || message.type === 'failed' || message.type === 'canceled') {
      this.ends.set(message.attemptId, { slot, end: message })
    }
    const queue = this.#fromSlots.get(slot) ?? []
    queue.push(message)
    this.#fromSlots.set(slot, queue)
  }

  #handle(slot: number, message: ToSlot): void {
    if (message.type === 'deploy') {
      for (const deployment of message.subtasks) this.#start(slot, deployment)
      return
    }
    if (message.type === 'fenceTransactions') {
      const { attemptId, fence } = message
      if (this.attempts.has(attemptId)) this.#say(slot, { type: 'transactionsFenced', attemptId, fence })
      return
    }
    if (message.type === 'cancel') {
      for (const attemptId of message.attemptIds) {
        this.attempts.delete(attemptId)
        this.#say(slot, { type: 'canceled', attemptId })
      }
      return
    }
    for (const attempt of this.attempts.values()) if (attempt.slot === slot) tell(attempt, message)
  }

  #start(slot: number, deployment: SubtaskDeployment): void {
    const subtask = this.#facts.graph.subtasks.findIndex(
      ({ vertexId, subtaskIndex }) => vertexId === deployment.vertexId && subtaskIndex === deployment.subtaskIndex,
    )
    this.attempts.set(deployment.attemptId, {
      deployment,
      subtask,
      slot,
      state: 'deploying',
      triggered: undefined,
      lastBarrier: 0,
      firstFinished: undefined,
      completions: [],
      pending: [],
    })
  }

  #attemptEvents(attempt: ModelAttempt): (() => void)[] {
    const { attemptId } = attempt.deployment
    const events: (() => void)[] = []
    if (!this.healed && this.#random() < 0.01) events.push(() => this.#fail(attempt))
    if (attempt.state === 'deploying') return [...events, () => this.#run(attempt)]
    if (!this.healed && this.#random() < 0.01) {
      const mark = 16 + Math.floor(this.#random() * 64)
      events.push(() => this.#say(attempt.slot, { type: 'transactionalIdsRequested', attemptId, mark }))
    }
    if (attempt.completions.length > 0) events.push(() => this.#commit(attempt))
    if (attempt.state === 'running' && this.#mayEnd(attempt)) {
      events.push(() => {
        attempt.state = 'ended'
        this.#say(attempt.slot, { type: 'ended', attemptId })
      })
    }
    const barrier = this.#barrierFor(attempt)
    if (barrier !== undefined) events.push(() => this.#acknowledge(attempt, barrier))
    return events
  }

  /** What the checkpoint lists is committed before anything is processed (R16). */
  #run(attempt: ModelAttempt): void {
    attempt.state = 'running'
    for (const { manifest, settled } of attempt.deployment.restore?.manifests ?? []) {
      if (settled === true) continue
      for (const list of this.#world.lists.get(manifest.name) ?? []) this.#world.committedLists.add(list)
    }
    this.#say(attempt.slot, { type: 'running', attemptId: attempt.deployment.attemptId })
  }

  #upstream(attempt: ModelAttempt): readonly (ModelAttempt | undefined)[] {
    if (attempt.deployment.inputs.length === 0) return []
    const { subtasks, channels } = this.#facts.graph
    return (subtasks[attempt.subtask]?.inputs ?? []).map((channel) => {
      const from = channels[channel]?.from
      return [...this.attempts.values()].find((other) => other.subtask === from)
    })
  }

  /** Sources end when they like; others when all their senders have (a finished sender is no attempt any more). */
  #mayEnd(attempt: ModelAttempt): boolean {
    const upstream = this.#upstream(attempt)
    if (upstream.length === 0) return this.healed || this.#random() < 0.05
    return upstream.every((sender) => sender === undefined || sender.state === 'ended')
  }

  /** The checkpoint that it can take part in now: triggered at a source or where all senders have ended; else aligned. */
  #barrierFor(attempt: ModelAttempt): CheckpointId | undefined {
    const upstream = this.#upstream(attempt).filter((sender) => sender !== undefined && sender.state !== 'ended')
    if (upstream.length === 0) return attempt.triggered
    const lowest = Math.min(...upstream.map((sender) => sender?.lastBarrier ?? 0))
    return lowest > attempt.lastBarrier ? checkpointId(lowest) : undefined
  }

  #acknowledge(attempt: ModelAttempt, id: CheckpointId): void {
    const { slot, deployment } = attempt
    const { attemptId, vertexId, subtaskIndex, splits } = deployment
    attempt.triggered = undefined
    attempt.lastBarrier = id
    if (!this.healed && this.#random() < 0.05) {
      const error = { code: 'MR_STORAGE', message: 'no space' } as const
      this.#say(slot, { type: 'checkpointDeclined', attemptId, checkpointId: id, error })
      return
    }
    const finished = attempt.state === 'ended'
    const vertex = this.#facts.plan.vertices.find((candidate) => candidate.id === vertexId)
    const isSink = vertex?.operators[0]?.sink !== undefined
    // After its end a sink prepares nothing new; without inputs it never had anything.
    const mayPrepare = isSink && deployment.inputs.length > 0 && attempt.firstFinished === undefined
    const manifest = { name: `${attemptId}/${id}`, length: 1, checksum: 0 }
    if (mayPrepare && this.#random() < 0.7) attempt.pending.push(manifest.name)
    if (finished) attempt.firstFinished ??= id
    this.#world.lists.set(manifest.name, [...attempt.pending])
    this.#world.acks.set(`${id}/${manifest.name}`, `${vertexId}/${subtaskIndex}`)
    const hasCommittables = attempt.pending.length > 0
    const metrics = { alignmentMs: 0, pauseMs: 0, durationMs: 0, writtenBytes: 1 }
    const ack = { attemptId, checkpointId: id, manifest, splits, finished, hasCommittables, metrics }
    this.#say(slot, { type: 'checkpointAcknowledged', ...ack })
  }

  #commit(attempt: ModelAttempt): void {
    const { slot, deployment, firstFinished } = attempt
    const { attemptId } = deployment
    const id = attempt.completions.shift()
    if (id === undefined) return
    const { committedLists } = this.#world
    for (const list of attempt.pending) if (Number(list.split('/')[1]) <= id) committedLists.add(list)
    attempt.pending = attempt.pending.filter((list) => !committedLists.has(list))
    this.#say(slot, { type: 'committed', attemptId, checkpointId: id })
    if (firstFinished === undefined || firstFinished > id || attempt.state !== 'ended') return
    this.attempts.delete(attemptId)
    this.#say(slot, { type: 'finished', attemptId })
  }

  #fail(attempt: ModelAttempt): void {
    const { attemptId, restore } = attempt.deployment
    this.attempts.delete(attemptId)
    const damaged = attempt.state === 'deploying' && restore !== undefined && !this.#facts.exactlyOnce
    const code = damaged ? 'MR_CHECKPOINT_DAMAGED' : 'MR_USER_FUNCTION'
    this.#say(attempt.slot, { type: 'failed', attemptId, error: { code, message: `${attemptId} threw` } })
  }
}

function tell(attempt: ModelAttempt, message: ToSlot): void {
  if (message.type === 'triggerCheckpoint' && message.barrier.id > attempt.lastBarrier) {
    attempt.triggered = message.barrier.id
  }
  if (message.type === 'checkpointCompleted' && attempt.state !== 'deploying') {
    attempt.completions.push(message.checkpointId)
  }
  if (message.type === 'checkpointAborted' && attempt.triggered === message.checkpointId) attempt.triggered = undefined
}
