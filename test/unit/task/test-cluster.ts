import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildJob, type JobDefinition } from '../../../src/api/job.ts'
import type { SourceSplit } from '../../../src/api/source.ts'
import {
  type AttemptId,
  attemptId,
  type ChannelId,
  type CheckpointId,
  channelId,
  checkpointId,
  jobId,
  noCheckpoint,
} from '../../../src/common/ids.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { type ExecutionChannel, type ExecutionSubtask, executionGraph } from '../../../src/graph/execution-graph.ts'
import type { JobPlan } from '../../../src/graph/job-graph.ts'
import { planOf } from '../../../src/graph/plan.ts'
import type { CheckpointBarrier } from '../../../src/state/checkpoint-record.ts'
import type { SlotExit, SlotHandle, SlotHost } from '../../../src/task/slot-host.ts'
import type {
  BlobStoreReference,
  FromSlot,
  JobReference,
  RestoreFrom,
  SubtaskDeployment,
} from '../../../src/task/slot-protocol.ts'

export interface TestClusterOptions {
  readonly host: SlotHost
  readonly definition: JobDefinition
  readonly job: JobReference
  readonly parallelism: number
  readonly blobStore: BlobStoreReference
  /** Splits of the sources by operator name, before the first start. */
  readonly splits: Readonly<Record<string, readonly SourceSplit[]>>
  readonly heapLimitBytes?: number
}

type Acknowledged = FromSlot & { readonly type: 'checkpointAcknowledged' }

/** A completed checkpoint, as far as a restart needs it. */
export interface TestCheckpoint {
  readonly id: CheckpointId
  readonly acknowledged: readonly Acknowledged[]
}

const limitMs = 20_000

/** The least of a coordinator: starts slots, deploys, triggers and completes checkpoints, and waits. */
export class TestCluster {
  readonly messages: FromSlot[] = []
  readonly exits = new Map<number, SlotExit>()
  readonly #options: TestClusterOptions
  readonly #graph
  readonly #execution
  readonly #attempts: AttemptId[]
  #slots: SlotHandle[] = []
  #attempt = 0
  #checkpoint = 0
  #base: CheckpointId = noCheckpoint
  #changed: () => void = () => {}

  constructor(options: TestClusterOptions) {
    this.#options = options
    const { parallelism, definition, job } = options
    this.#graph = createJobGraph(
      buildJob(definition, job.arguments, { ...job.configuration, 'parallelism.default': parallelism }),
    )
    this.#execution = executionGraph(planOf(this.#graph))
    this.#attempts = this.#execution.subtasks.map(() => attemptId(''))
  }

  get subtasks(): readonly ExecutionSubtask[] {
    return this.#execution.subtasks
  }

  /** Starts one slot for each parallel slice and waits until they are ready or gone. */
  async start(plan: JobPlan = planOf(this.#graph)): Promise<void> {
    const { host, parallelism, job, blobStore, heapLimitBytes = 2 ** 32 } = this.#options
    const ready = this.#count('ready')
    this.#slots = Array.from({ length: parallelism }, (_, slotIndex) =>
      host.start(
        {
          slotIndex,
          jobId: jobId('0'.repeat(32)),
          job: { ...job, configuration: { ...job.configuration, 'parallelism.default': parallelism } },
          plan,
          memory: { heapLimitBytes, managedBytes: 2 ** 28 },
          blobStore,
        },
        {
          message: (message) => {
            this.messages.push(message)
            this.#changed()
          },
          exit: (exit) => {
            this.exits.set(slotIndex, exit)
            this.#changed()
          },
        },
      ),
    )
    await this.until(
      () => this.#count('ready') === ready + parallelism || this.exits.size === parallelism,
      'ready slots',
    )
  }

  /** Deploys every subtask, subtask k of each vertex to slot k, and waits until all run. */
  async deploy(from?: TestCheckpoint): Promise<void> {
    const running = this.#count('running')
    this.#attempt++
    const channels = this.#execution.channels.map(({ index }) => channelId(`${this.#attempt}-${index}`))
    this.#execution.subtasks.forEach(({ index }) => {
      this.#attempts[index] = attemptId(`attempt-${this.#attempt}-${index}`)
    })
    const ports = this.#connect()
    this.#slots.forEach((slot, slotIndex) => {
      const subtasks = this.#execution.subtasks
        .filter(({ subtaskIndex }) => subtaskIndex === slotIndex)
        .map((subtask) => this.#deployment(subtask, channels, from))
      const peers = [...ports.keys()].flatMap((pair) => {
        const [left, right] = pair.split('-').map(Number) as [number, number]
        return left === slotIndex ? [right] : right === slotIndex ? [left] : []
      })
      const handles = [...ports].flatMap(([pair, ends]) => {
        const [left, right] = pair.split('-').map(Number) as [number, number]
        return left === slotIndex ? [ends[0]] : right === slotIndex ? [ends[1]] : []
      })
      slot.send({ type: 'deploy', jobSlot: slotIndex, subtasks, peers }, handles)
    })
    this.#base = from?.id ?? noCheckpoint
    await this.until(() => this.#count('running') === running + this.subtasks.length, 'running subtasks')
  }

  trigger(): CheckpointBarrier {
    this.#checkpoint++
    const barrier: CheckpointBarrier = { id: checkpointId(this.#checkpoint), base: this.#base, kind: 'checkpoint' }
    for (const slot of this.#slots) slot.send({ type: 'triggerCheckpoint', barrier })
    return barrier
  }

  /** Waits for all acks; a subtask that has finished is carried forward from the checkpoint before (R12). */
  async acknowledged(id: CheckpointId): Promise<TestCheckpoint> {
    const finished = (attempt: AttemptId): boolean =>
      this.messages.some((message) => message.type === 'finished' && message.attemptId === attempt)
    const latest = (attempt: AttemptId): Acknowledged | undefined =>
      this.messages.findLast(
        (message): message is Acknowledged =>
          message.type === 'checkpointAcknowledged' &&
          message.attemptId === attempt &&
          (message.checkpointId === id || finished(attempt)),
      )
    await this.until(() => this.#attempts.every((attempt) => latest(attempt) !== undefined), `checkpoint ${id}`)
    return { id, acknowledged: this.#attempts.flatMap((attempt) => latest(attempt) ?? []) }
  }

  complete(id: CheckpointId): void {
    this.#base = id
    for (const slot of this.#slots) slot.send({ type: 'checkpointCompleted', checkpointId: id })
  }

  abort(id: CheckpointId): void {
    for (const slot of this.#slots) slot.send({ type: 'checkpointAborted', checkpointId: id })
  }

  /** One checkpoint from trigger to commit. */
  async checkpoint(): Promise<TestCheckpoint> {
    const checkpoint = await this.acknowledged(this.trigger().id)
    const committed = this.#count('committed')
    this.complete(checkpoint.id)
    await this.until(() => this.#count('committed') >= committed + this.subtasks.length, `commits of ${checkpoint.id}`)
    return checkpoint
  }

  drain(): void {
    for (const slot of this.#slots) slot.send({ type: 'drain' })
  }

  async cancel(): Promise<void> {
    const canceled = this.#count('canceled')
    this.#slots.forEach((slot, slotIndex) => {
      const attemptIds = this.subtasks
        .filter(({ subtaskIndex }) => subtaskIndex === slotIndex)
        .map(({ index }) => this.#attempts[index] as AttemptId)
      slot.send({ type: 'cancel', attemptIds })
    })
    await this.until(() => this.#count('canceled') === canceled + this.subtasks.length, 'cancelled subtasks')
  }

  /** As after the loss of all slots: the newest completed checkpoint decides. */
  async restart(from: TestCheckpoint | undefined): Promise<void> {
    await this.terminate()
    this.exits.clear()
    await this.start()
    await this.deploy(from)
  }

  /** Ends every started slot. */
  async terminate(): Promise<void> {
    for (const slot of this.#slots) slot.terminate()
    await this.until(() => this.exits.size === this.#slots.length, 'ended slots')
  }

  /** How many subtasks have told this since the last deployment or before. */
  count(type: FromSlot['type']): number {
    return this.#count(type)
  }

  /** How many of the present attempts have told this. */
  attemptsThat(type: 'ended' | 'finished'): number {
    return this.messages.filter((message) => message.type === type && this.#attempts.includes(message.attemptId)).length
  }

  sourceRecords(): number {
    const latest = new Map<AttemptId, number>()
    for (const message of this.messages) {
      if (message.type !== 'metrics') continue
      for (const subtask of message.subtasks) latest.set(subtask.attemptId, subtask.sourceRecords)
    }
    return [...latest.values()].reduce((total, records) => total + records, 0)
  }

  /** Waits until it holds; fails at once when a slot or subtask has failed, unless that is what is waited for. */
  async until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const timer = systemClock.schedule(limitMs, () => {
        reject(new Error(`still no ${what} after ${limitMs} ms; last messages: ${this.#lastMessages()}`))
      })
      this.#changed = () => {
        if (!condition()) return
        timer.cancel()
        this.#changed = () => {}
        resolve()
      }
    })
  }

  #lastMessages(): string {
    return JSON.stringify(this.messages.filter(({ type }) => type !== 'metrics').slice(-8))
  }

  #count(type: FromSlot['type']): number {
    return this.messages.filter((message) => message.type === type).length
  }

  #connect(): Map<string, readonly [unknown, unknown]> {
    const ports = new Map<string, readonly [unknown, unknown]>()
    for (let left = 0; left < this.#slots.length; left++) {
      for (let right = left + 1; right < this.#slots.length; right++) {
        ports.set(`${left}-${right}`, this.#options.host.connect())
      }
    }
    return ports
  }

  #deployment(
    subtask: ExecutionSubtask,
    channels: readonly ChannelId[],
    from: TestCheckpoint | undefined,
  ): SubtaskDeployment {
    const { index, vertexId, subtaskIndex, parallelism } = subtask
    const { subtasks } = this.#execution
    const slotOf = (place: number): number => subtasks[place]?.subtaskIndex ?? -1
    const vertex = this.#graph.vertices.find(({ id }) => id === vertexId)
    const head = vertex?.operators[0]
    const splits =
      from === undefined
        ? (this.#options.splits[head?.name ?? ''] ?? [])
        : from.acknowledged.filter((ack) => this.#placeOf(ack)?.vertexId === vertexId).flatMap((ack) => ack.splits)
    return {
      attemptId: this.#attempts[index] as AttemptId,
      vertexId,
      subtaskIndex,
      parallelism,
      inputs: subtask.inputs.map((channel) => {
        const { edgeId, from: sender } = this.#execution.channels[channel] as ExecutionChannel
        return {
          channelId: channels[channel] as ChannelId,
          edgeId,
          fromSubtask: slotOf(sender),
          fromSlot: slotOf(sender),
        }
      }),
      outputs: subtask.outputs.map(({ edgeId, channels: indices }) => ({
        edgeId,
        channels: indices.map((channel) => ({
          channelId: channels[channel] as ChannelId,
          toSlot: slotOf(this.#execution.channels[channel]?.to ?? -1),
        })),
      })),
      restore: from === undefined ? undefined : this.#restore(from, subtask),
      splits: head?.spec.kind === 'source' ? splits.filter((_, split) => split % parallelism === subtaskIndex) : [],
      noMoreSplits: true,
      transactionalIds: 16,
    }
  }

  #placeOf({ attemptId: attempt }: Acknowledged): ExecutionSubtask | undefined {
    return this.#execution.subtasks[Number(attempt.split('-')[2])]
  }

  #restore(from: TestCheckpoint, { vertexId, parallelism }: ExecutionSubtask): RestoreFrom {
    const manifests = from.acknowledged.flatMap((ack) => {
      const old = this.#placeOf(ack)
      if (old?.vertexId !== vertexId) return []
      return [{ subtaskIndex: old.subtaskIndex, parallelism, manifest: ack.manifest }]
    })
    return {
      checkpointId: from.id,
      blobStore: this.#options.blobStore,
      manifests,
      ownManifestIsBase: true,
      committed: false,
    }
  }
}

/** Records in the published parts of a folder. */
export function publishedRecords<T>(folder: string): T[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}
