import { expect, test } from 'vitest'
import { jobId } from '../../../src/common/ids.ts'
import { decide } from '../../../src/coordinator/job-manager/decide.ts'
import type { LedJob, ListedTaskManager } from '../../../src/coordinator/job-manager/membership.ts'
import {
  type JobManagerEffect,
  type JobManagerMessage,
  type JobManagerState,
  newJobManager,
} from '../../../src/coordinator/job-manager/state.ts'
import type { Inventory, SlotInventory } from '../../../src/coordinator/task-manager/inventory.ts'

const first = jobId('1'.repeat(32))
const second = jobId('2'.repeat(32))
const timeouts = { heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 10_000, probeMs: 300 }

const listed = (name: string): ListedTaskManager => {
  return { taskManager: `task-manager/${name}`, numberOfSlots: 2, dataAddress: `${name}:1`, host: 'here', pid: 1 }
}
const [a, b] = [listed('a'), listed('b')]

/** Slots by the job that has them. */
function inventoryOf(
  of: ListedTaskManager,
  jobs: readonly (typeof first | undefined)[] = [undefined, undefined],
): Inventory {
  const slots = jobs.map((id, slotIndex): SlotInventory => {
    return { slotIndex, jobId: id, state: id === undefined ? 'free' : 'running', attempts: [] }
  })
  return { taskManager: of.taskManager, numberOfSlots: jobs.length, slots, highestToken: 'l:1' }
}

const answer = (of: ListedTaskManager, round: number, inventory = inventoryOf(of)): JobManagerMessage => {
  return { type: 'inventory', taskManager: of.taskManager, round, inventory }
}
const heartbeat = ({ taskManager }: ListedTaskManager): JobManagerMessage => {
  return { type: 'heartbeat', taskManager, handled: '1-0' }
}
const lead = (taskManagers: readonly ListedTaskManager[], jobs: readonly LedJob[] = []): JobManagerMessage => {
  return { type: 'lead', jobs, taskManagers }
}
const stored = (id: typeof first, held: LedJob['held'] = [], running = true): LedJob => {
  return { jobId: id, requestId: `submit ${id}`, running, held }
}
const tick = (readAtMs: number): JobManagerMessage => ({ type: 'tick', readAtMs })

/** A leader, which keeps what its last message made it do. */
class Leader {
  state: JobManagerState = newJobManager(60_000, timeouts)
  effects: readonly JobManagerEffect[] = []

  constructor(...messages: readonly JobManagerMessage[]) {
    this.hears(...messages)
  }

  hears(...messages: readonly JobManagerMessage[]): this {
    for (const message of messages) {
      const decided = decide(this.state, message)
      this.state = decided.state
      this.effects = decided.effects
    }
    return this
  }

  /** Effects of one type, of the last message. */
  did<Type extends JobManagerEffect['type']>(
    type: Type,
  ): readonly Extract<JobManagerEffect, { readonly type: Type }>[] {
    return this.effects.filter(
      (effect): effect is Extract<JobManagerEffect, { readonly type: Type }> => effect.type === type,
    )
  }

  get members(): readonly string[] {
    return this.state.membership?.members.map((member) => member.listed.taskManager) ?? []
  }
}

test('a TaskManager gets its Hello when its registration is durable, and its slots count from its answer', () => {
  const leader = new Leader(lead([]), { type: 'registerTaskManager', ...a })
  expect(leader.effects).toEqual([{ type: 'listTaskManager', listed: a }])
  leader.hears({ type: 'taskManagerListed', listed: a })
  expect(leader.did('hello')).toEqual([{ type: 'hello', taskManager: a.taskManager, round: 2 }])
  leader.hears({ type: 'requestSlots', jobId: first, count: 2 })
  expect(leader.did('grantSlots')).toEqual([])
  leader.hears(answer(a, 1))
  expect(leader.did('grantSlots')).toMatchObject([{ jobId: first, slots: [{ slotIndex: 0 }, { slotIndex: 1 }] }])
})

test('one that registers on gets its Hello again: the one before was lost', () => {
  const leader = new Leader(lead([a]), { type: 'registerTaskManager', ...a })
  expect(leader.did('hello')).toHaveLength(1)
})

test('a new leader starts the JobMasters of running jobs, then says Hello; they wait until all have answered (R23)', () => {
  const leader = new Leader(lead([a, b], [stored(first), stored(second, [], false)]))
  expect(leader.effects.map(({ type }) => type)).toEqual([
    'adoptJob',
    'hello',
    'hello',
    'tryConnection',
    'tryConnection',
  ])
  const round = leader.did('hello')[0]?.round ?? 0
  leader.hears(answer(b, round))
  expect(leader.did('giveInventories')).toEqual([])
  leader.hears(answer(a, round))
  expect(leader.did('giveInventories')).toMatchObject([
    { jobId: first, request: 0, inventories: [{ taskManager: a.taskManager }, { taskManager: b.taskManager }] },
  ])
})

test('without TaskManagers a job is taken over at once', () => {
  expect(new Leader(lead([], [stored(first)])).did('giveInventories')).toMatchObject([{ inventories: [] }])
})

test('who is lost is not waited for (R23 d)', () => {
  const leader = new Leader(lead([a, b], [stored(first)]))
  leader.hears(answer(a, leader.did('hello')[0]?.round ?? 0))
  leader.hears({ type: 'connectionRefused', taskManager: b.taskManager })
  expect(leader.did('giveInventories')).toMatchObject([{ inventories: [{ taskManager: a.taskManager }] }])
  expect(leader.did('unlistTaskManager')).toMatchObject([{ taskManager: b.taskManager }])
})

test('slots are what the TaskManager says, and free ones that stand in the record of a job are still that job’s', () => {
  const held = [{ taskManager: a.taskManager, slotIndex: 1 }]
  const leader = new Leader(lead([a, b], [stored(first, held), stored(second)]))
  const round = leader.did('hello')[0]?.round ?? 0
  leader.hears(answer(a, round), answer(b, round, inventoryOf(b, [second, undefined])))
  expect(leader.state.slots.map((slot) => slot.jobId)).toEqual([undefined, first, second, undefined])
})

test('a slot of a job that runs no more is released', () => {
  const leader = new Leader(lead([a]))
  leader.hears(answer(a, leader.state.membership?.round ?? 0, inventoryOf(a, [second, undefined])))
  expect(leader.did('releaseSlots')).toMatchObject([{ jobId: second, slots: [{ slotIndex: 0 }] }])
})

test('an answer to an older Hello is not all there is', () => {
  const leader = new Leader(lead([a], [stored(first)]))
  const round = leader.did('hello')[0]?.round ?? 0
  leader.hears(answer(a, round), { type: 'inventoriesWanted', jobId: first, request: 1, held: [] })
  expect(leader.did('hello')).toMatchObject([{ round: round + 1 }])
  leader.hears(answer(a, round))
  expect(leader.did('giveInventories')).toEqual([])
  leader.hears(answer(a, round + 1))
  expect(leader.did('giveInventories')).toMatchObject([{ jobId: first, request: 1 }])
})

test('a job that takes over again asks anew for slots: what it was granted and does not know of is free', () => {
  const leader = new Leader(lead([a], [stored(first)]))
  leader.hears(answer(a, 1), { type: 'requestSlots', jobId: first, count: 2 })
  expect(leader.did('grantSlots')).toHaveLength(1)
  leader.hears({ type: 'requestSlots', jobId: first, count: 5 })
  const held = [{ taskManager: a.taskManager, slotIndex: 0 }]
  leader.hears({ type: 'inventoriesWanted', jobId: first, request: 1, held })
  expect(leader.state.waiting).toEqual([])
  expect(leader.state.slots.map((slot) => slot.jobId)).toEqual([first, undefined])
})

test('silence counts only while reads of the inbox return, and no pause counts for more than a read (R26)', () => {
  const leader = new Leader(lead([a]), answer(a, 1), tick(1_000_000))
  // A pause of a minute.
  leader.hears(tick(1_060_000))
  expect(leader.members).toEqual([a.taskManager])
  for (let second = 1; second <= 8; second++) leader.hears(tick(1_060_000 + second * 1000))
  expect(leader.members).toEqual([a.taskManager])
  leader.hears(tick(1_069_000))
  expect(leader.members).toEqual([])
  expect(leader.did('declareLost')).toMatchObject([{ reason: expect.stringContaining('heartbeat.timeout') }])
  // Reads that do not return: no time passes.
  const unread = new Leader(lead([a]), tick(0))
  for (let times = 0; times < 100; times++) unread.hears(tick(0))
  expect(unread.members).toEqual([a.taskManager])
})

test('heartbeats keep a TaskManager, and say what of its stream is not needed any more', () => {
  const leader = new Leader(lead([a]), tick(0))
  for (let second = 1; second <= 30; second++) leader.hears(tick(second * 1000), heartbeat(a))
  expect(leader.members).toEqual([a.taskManager])
  expect(leader.did('trim')).toEqual([{ type: 'trim', taskManager: a.taskManager, lowestKept: '1-0' }])
})

test('an unanswered Hello is said again, and one that is silent is asked', () => {
  const leader = new Leader(lead([a], [stored(first)]), tick(0), tick(1000))
  expect(leader.did('hello')).toMatchObject([{ round: 1 }])
  leader.hears(answer(a, 1), tick(2000))
  expect(leader.did('heartbeat')).toMatchObject([{ demanded: false }])
  leader.hears(tick(3000), tick(4000))
  expect(leader.did('heartbeat')).toMatchObject([{ demanded: true }])
  expect(leader.did('tryConnection')).toHaveLength(1)
})

test('after a broken data connection the TaskManager has to answer at once; it is lost where it does not', () => {
  const leader = new Leader(lead([a, b]), answer(a, 1), answer(b, 1, inventoryOf(b, [first, undefined])))
  const broken: JobManagerMessage = { type: 'peerLost', taskManager: b.taskManager, by: a.taskManager }
  leader.hears(broken)
  expect(leader.effects).toEqual([
    { type: 'heartbeat', taskManager: b.taskManager, demanded: true },
    { type: 'tryConnection', taskManager: b.taskManager, dataAddress: b.dataAddress },
    { type: 'setProbeTimer', taskManager: b.taskManager, number: 1, delayMs: 300 },
  ])
  expect(leader.hears(broken).effects).toEqual([])
  leader.hears(heartbeat(b), { type: 'probeDue', taskManager: b.taskManager, number: 1, late: false })
  expect(leader.members).toContain(b.taskManager)
  leader.hears(broken, { type: 'probeDue', taskManager: b.taskManager, number: 2, late: false })
  expect(leader.members).toEqual([a.taskManager])
  expect(leader.effects.map(({ type }) => type)).toEqual(['log', 'declareLost', 'unlistTaskManager'])
})

test('a probe that ended late tells nothing: it begins anew (R26)', () => {
  const leader = new Leader(lead([a]), { type: 'peerLost', taskManager: a.taskManager, by: 'task-manager/x' })
  leader.hears({ type: 'probeDue', taskManager: a.taskManager, number: 1, late: true })
  expect(leader.did('setProbeTimer')).toMatchObject([{ number: 2 }])
  expect(leader.members).toEqual([a.taskManager])
})

test('peers that an inventory names as lost are probed: the leader that was told may be dead', () => {
  const leader = new Leader(lead([a, b]))
  leader.hears(answer(a, 1, { ...inventoryOf(a), lostPeers: [b.taskManager, 'task-manager/gone'] }))
  expect(leader.did('setProbeTimer')).toMatchObject([{ taskManager: b.taskManager }])
})

test('a lost TaskManager’s jobs are told; it never comes back under its name, and is told so (R22)', () => {
  const leader = new Leader(lead([a], [stored(first)]), answer(a, 1, inventoryOf(a, [first, undefined])))
  leader.hears({ type: 'connectionRefused', taskManager: a.taskManager })
  expect(leader.did('tellJobMaster')).toEqual([{ type: 'tellJobMaster', jobId: first, lost: a.taskManager }])
  expect(leader.hears(heartbeat(a)).did('declareLost')).toHaveLength(1)
  expect(leader.hears({ type: 'registerTaskManager', ...a }).did('declareLost')).toHaveLength(1)
  leader.hears({ type: 'taskManagerListed', listed: a })
  expect(leader.members).toEqual([])
})

test('where messages may be lost all that they may be of is asked for (R22)', () => {
  const leader = new Leader(lead([a, b], [stored(first)]))
  leader.hears(answer(a, 1, inventoryOf(a, [first, undefined])), answer(b, 1))
  leader.hears({ type: 'interrupted', taskManager: a.taskManager })
  expect(leader.did('hello').map(({ taskManager }) => taskManager)).toEqual([a.taskManager])
  leader.hears({ type: 'interrupted', taskManager: undefined })
  expect(leader.did('hello')).toHaveLength(2)
  leader.hears({ type: 'messagesLost', taskManager: a.taskManager })
  expect(leader.did('adoptAgain')).toEqual([{ type: 'adoptAgain', jobId: first }])
  leader.hears({ type: 'messagesLost', taskManager: b.taskManager })
  expect(leader.did('adoptAgain')).toEqual([])
})

test('a TaskManager that obeys another leader makes this one claim again (I4)', () => {
  const leader = new Leader(lead([a]), { type: 'tokenRefused', taskManager: a.taskManager, highest: 'other:7' })
  expect(leader.effects).toEqual([{ type: 'superseded', highest: 'other:7' }])
})

test('who wants to leave gets no slots, and goes when its jobs have a checkpoint and slots elsewhere (R29)', () => {
  const leader = new Leader(lead([a, b], [stored(first)]))
  leader.hears(answer(a, 1, inventoryOf(a, [first, undefined])), answer(b, 1, inventoryOf(b, [second, second])))
  leader.hears({ type: 'leaving', taskManager: a.taskManager })
  expect(leader.effects).toEqual([{ type: 'vacate', jobId: first, taskManager: a.taskManager }])
  leader.hears({ type: 'requestSlots', jobId: first, count: 1 })
  expect(leader.did('grantSlots')).toEqual([])
  leader.hears({
    type: 'inventoriesWanted',
    jobId: first,
    request: 1,
    held: [{ taskManager: a.taskManager, slotIndex: 0 }],
  })
  leader.hears({ type: 'vacated', taskManager: a.taskManager, jobId: first })
  expect(leader.did('releaseTaskManager')).toEqual([])
  leader.hears({ type: 'slotFreed', slot: { taskManager: b.taskManager, slotIndex: 0 }, jobId: second })
  leader.hears({ type: 'leaving', taskManager: a.taskManager })
  expect(leader.did('releaseTaskManager')).toEqual([{ type: 'releaseTaskManager', taskManager: a.taskManager }])
  expect(leader.did('tellJobMaster')).toMatchObject([{ jobId: first, lost: a.taskManager }])
  expect(leader.members).toEqual([b.taskManager])
})

test('who has nothing to hand over leaves at once', () => {
  const leader = new Leader(lead([a]), answer(a, 1), { type: 'leaving', taskManager: a.taskManager })
  expect(leader.did('releaseTaskManager')).toHaveLength(1)
})

test('a finished job is forgotten when its JobMaster has done all; one that failed stays', () => {
  const ended = (outcome: 'FINISHED' | 'FAILED'): Leader =>
    new Leader(
      lead([], [stored(first)]),
      { type: 'jobEnded', jobId: first, outcome },
      { type: 'jobMasterGone', jobId: first },
    )
  expect(ended('FINISHED').effects).toEqual([{ type: 'forgetJob', jobId: first }])
  expect(ended('FAILED').effects).toEqual([])
})

test('a JobMaster that stops without an end was fenced: this process leads no more (I1)', () => {
  const leader = new Leader(lead([], [stored(first)]), { type: 'jobMasterGone', jobId: first })
  expect(leader.effects).toEqual([{ type: 'ledNoMore', jobId: first }])
})
