import type { AttemptId, JobId, LeaderToken } from '../../src/common/ids.ts'
import { decide as decideSlots } from '../../src/coordinator/job-manager/decide.ts'
import {
  type JobManagerEffect,
  type JobManagerMessage,
  type JobManagerState,
  newJobManager,
} from '../../src/coordinator/job-manager/state.ts'
import { heldSlots, type JobRecord, readRecord } from '../../src/coordinator/job-master/job-record.ts'
import type { Inventory } from '../../src/coordinator/task-manager/inventory.ts'
import type { TaskManagerMessage } from '../../src/coordinator/task-manager/state.ts'
import type { BlobReference } from '../../src/state/blob-store.ts'
import type { Candidate, CandidateSettings } from './candidate.ts'
import type { OuterWorld } from './data-plane.ts'
import { SimulatedJobMaster } from './job-master-process.ts'
import { Received } from './received.ts'
import { type Answer, Connection, type Envelope } from './redis-model.ts'
import { slotsOfTaskManager, type ToLeader, type ToTaskManager } from './task-manager-process.ts'

/** What a simulation is about. */
export interface SimulatedJob {
  readonly jobId: JobId
  readonly world: OuterWorld
  readonly splits: readonly string[]
  /** Of TaskManagers in the durable store. */
  readonly listed: Set<string>
  /** The last acknowledgement of each subtask, for a mutation. */
  readonly acknowledgements: Map<string, { readonly attemptId: AttemptId; readonly manifest: BlobReference }>
  outcome: string | undefined
}

const answerMs = 1500
const silenceMs = 4000

/** A leadership from its claim to its end: TaskManagers, slots, and the job's JobMaster. */
export class LeaderSession {
  readonly token: LeaderToken
  readonly candidate: Candidate
  readonly settings: CandidateSettings
  readonly #connection: Connection
  /** Of messages: where it is lost, the job is taken over anew. */
  readonly #streams: Connection
  readonly #received: Received
  readonly #sequences = new Map<string, number>()
  readonly #heardMs = new Map<string, number>()
  readonly #inventories = new Map<string, Inventory>()
  #slots: JobManagerState = newJobManager(60_000)
  #jobMaster: SimulatedJobMaster | undefined
  #record: JobRecord | undefined
  readonly #early: ToLeader[] = []
  #round = 0
  #adopting = false
  #position: number
  #ended = false

  constructor(candidate: Candidate, connection: Connection, token: LeaderToken, settings: CandidateSettings) {
    this.candidate = candidate
    this.settings = settings
    this.token = token
    this.#connection = connection
    this.#streams = new Connection(`${candidate.name} streams`, candidate.main, 0.02)
    this.#received = new Received(settings.mutation)
    this.#position = settings.redis.inboxes.get('leader')?.length ?? 0
    const { redis, job } = settings
    this.write(
      'a read',
      () => ({ text: redis.record ?? '', revision: redis.revision, listed: [...job.listed] }),
      (answer) => {
        if (answer.type !== 'done') this.candidate.elect({ type: 'claimAgain', reason: 'the store was not read' })
        else this.#begin(answer.value.text, answer.value.revision, answer.value.listed)
      },
    )
  }

  end(): void {
    this.#ended = true
    this.#jobMaster?.end()
  }

  get isOver(): boolean {
    return this.#ended
  }

  /** A command of the leader's: not sent past its deadline (I3), and without effect on it when it leads no more. */
  write<T>(what: string, command: () => T, answered: (answer: Answer<T>) => void, connection = this.#connection): void {
    if (this.#ended) return
    if (!this.candidate.mayWrite(this.token, what)) {
      this.candidate.elect({ type: 'tick' })
      return
    }
    this.settings.redis.call(connection, command, (answer) => {
      if (this.#ended) return
      // Whatever was on the way may come later: after the next claim it is refused (R3).
      if (answer.type === 'lost' && connection === this.#connection) {
        this.candidate.elect({ type: 'claimAgain', reason: 'the connection is lost' })
        return
      }
      if (answer.type === 'fenced') this.candidate.elect({ type: 'fenced', reason: what })
      else answered(answer)
    })
  }

  #begin(text: string, revision: number, listed: readonly string[]): void {
    this.#record = readRecord(JSON.parse(text))
    this.revision = revision
    for (const id of listed) {
      this.#decide({ type: 'registerTaskManager', ...registered(id) })
      this.#heardMs.set(id, this.settings.scheduler.nowMs)
    }
    this.#hold(this.#record)
    this.#ask()
    this.#heartbeat()
  }

  /** Of the record that it has read or written last. */
  revision = 0

  /** Slots of the record are the job's. */
  #hold(record: JobRecord): void {
    const held = heldSlots(record)
    const isHeld = (slot: { readonly taskManager: string; readonly slotIndex: number }): boolean =>
      held.some((other) => other.taskManager === slot.taskManager && other.slotIndex === slot.slotIndex)
    const { jobId } = this.settings.job
    const slots = this.#slots.slots.map((slot) => (isHeld(slot.address) ? { ...slot, jobId } : slot))
    this.#slots = { ...this.#slots, slots }
  }

  /** Messages were lost: nothing is replayed, the job is taken over anew (R22). */
  interrupted(reason: string): void {
    const { scheduler } = this.settings
    if (this.#ended || this.#record === undefined) return
    scheduler.log(this.candidate.name, () => `takes the job over again: ${reason}`)
    if (this.#jobMaster !== undefined) {
      this.#record = this.#jobMaster.record()
      this.#jobMaster.end()
      this.#jobMaster = undefined
    }
    if (!this.#adopting) this.#ask()
    else this.#askAgain = true
  }

  #askAgain = false

  #ask(): void {
    this.#adopting = true
    this.#askAgain = false
    this.#inventories.clear()
    const round = ++this.#round
    for (const id of this.#heardMs.keys()) this.tell(id, { type: 'hello', round })
    this.settings.scheduler.after(answerMs, this.candidate.main, () => this.#adopt(round))
  }

  #adopt(round: number): void {
    if (this.#ended || round !== this.#round || !this.#adopting) return
    if (this.#askAgain) {
      this.#ask()
      return
    }
    for (const id of [...this.#heardMs.keys()]) if (!this.#inventories.has(id)) this.#declareLost(id)
    this.#adopting = false
    const record = this.#record
    if (record === undefined) return
    const inventories = [...this.#inventories.values()]
    this.#jobMaster = new SimulatedJobMaster(this, { record, inventories, number: round })
    for (const message of this.#early.splice(0)) this.#toJobMaster(message)
  }

  #heartbeat(): void {
    if (this.#ended) return
    const { scheduler } = this.settings
    for (const [id, heardMs] of this.#heardMs) {
      if (scheduler.nowMs - heardMs > silenceMs) this.#declareLost(id)
      else this.tell(id, { type: 'heartbeat' })
    }
    this.#jobMaster?.publishLater()
    scheduler.after(1000, this.candidate.main, () => this.#heartbeat())
  }

  #declareLost(id: string): void {
    const { job, redis, scheduler } = this.settings
    scheduler.log(this.candidate.name, () => `declares ${id} lost`)
    this.#heardMs.delete(id)
    this.#inventories.delete(id)
    this.write(
      'a TaskManager',
      () => {
        redis.fence(this.token, 'a TaskManager')
        job.listed.delete(id)
        redis.inboxes.delete(id)
      },
      () => undefined,
    )
    this.#decide({ type: 'taskManagerLost', taskManager: id })
  }

  // ---- messages ----

  tell(id: string, body: ToTaskManager): void {
    const { redis, scheduler, mutation } = this.settings
    const sequence = (this.#sequences.get(id) ?? 0) + 1
    this.#sequences.set(id, sequence)
    const envelope: Envelope = { from: this.candidate.name, token: this.token, sequence, body }
    const times = scheduler.unlucky(0.02) ? 2 : 1
    for (let time = 0; time < times; time++) {
      // Not fenced: worse than in the product, so that TaskManagers have to look at tokens themselves (I4).
      this.write(
        'a message',
        () => redis.append(id, envelope),
        ({ type }) => {
          if (mutation === 'I9 lost messages are not noticed') return
          if (type !== 'done' && body.type !== 'heartbeat') this.interrupted('a message may not have arrived')
        },
        this.#streams,
      )
    }
  }

  command(taskManager: string, message: TaskManagerMessage): void {
    if (this.#heardMs.has(taskManager)) this.tell(taskManager, { type: 'command', message })
  }

  /** Something has come into the leader's inbox. */
  read(): void {
    const inbox = this.settings.redis.inboxes.get('leader') ?? []
    while (this.#position < inbox.length && !this.#ended) this.#receive(inbox[this.#position++] as Envelope)
  }

  #receive({ from, token, sequence, body }: Envelope): void {
    const message = body as ToLeader
    if (message.type === 'register') this.#register(from)
    if (message.type === 'tokenRefused') this.candidate.refusedBy(message.highest)
    if (message.type === 'register' || message.type === 'tokenRefused') return
    if (token !== this.token || !this.#heardMs.has(from)) return
    const verdict = this.#received.verdict(`${from} ${token}`, sequence)
    if (verdict === 'repeated') return
    this.#heardMs.set(from, this.settings.scheduler.nowMs)
    if (verdict === 'gap' || message.type === 'messagesLost') this.interrupted(`messages of ${from} were lost`)
    switch (message.type) {
      case 'inventory':
        if (message.round === this.#round) this.#answered(from, message.inventory)
        break
      case 'slotFreed':
        this.#decide({
          type: 'slotFreed',
          slot: { taskManager: from, slotIndex: message.slotIndex },
          jobId: message.jobId,
        })
        break
      case 'report':
        this.#toJobMaster(message, from)
        break
      default:
    }
  }

  #answered(from: string, inventory: Inventory): void {
    this.#inventories.set(from, inventory)
    if (this.#adopting && this.#inventories.size >= this.#heardMs.size) this.#adopt(this.#round)
  }

  #toJobMaster(message: ToLeader, from = ''): void {
    if (message.type !== 'report') return
    if (this.#jobMaster === undefined) this.#early.push(message)
    else this.#jobMaster.report(message.event, from)
  }

  #register(id: string): void {
    const { job, redis, scheduler } = this.settings
    if (this.#heardMs.has(id) || this.#record === undefined) return
    this.write(
      'a TaskManager',
      () => {
        redis.fence(this.token, 'a TaskManager')
        job.listed.add(id)
        if (!redis.inboxes.has(id)) redis.inboxes.set(id, [])
      },
      ({ type }) => {
        if (type !== 'done' || this.#heardMs.has(id)) return
        this.#heardMs.set(id, scheduler.nowMs)
        this.tell(id, { type: 'hello', round: this.#round })
        this.#decide({ type: 'registerTaskManager', ...registered(id) })
      },
    )
  }

  // ---- slots ----

  requestSlots(count: number): void {
    this.#decide({ type: 'requestSlots', jobId: this.settings.job.jobId, count })
  }

  #decide(message: JobManagerMessage): void {
    const { state, effects } = decideSlots(this.#slots, message)
    this.#slots = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: JobManagerEffect): void {
    const { scheduler } = this.settings
    switch (effect.type) {
      case 'grantSlots': {
        const { slots } = effect
        const to = this.#jobMaster
        scheduler.after(scheduler.between(0.1, 2), this.candidate.main, () => {
          to?.send({ type: 'slotsGranted', slots })
        })
        break
      }
      case 'tellJobMaster': {
        const error = { code: 'MR_SLOT_LOST', message: `${effect.lost} is gone` } as const
        this.#jobMaster?.send({ type: 'taskManagerLost', taskManager: effect.lost, error })
        break
      }
      default:
    }
  }
}

function registered(taskManager: string) {
  return { taskManager, numberOfSlots: slotsOfTaskManager, dataAddress: '', host: '', pid: 0 }
}
