import type { JobId } from '../../common/ids.ts'
import type { SlotAddress } from '../job-master/state.ts'
import type { Inventory } from '../task-manager/inventory.ts'

/** A TaskManager as it stands in the durable store. */
export interface ListedTaskManager {
  /** Address of its actor. */
  readonly taskManager: string
  readonly numberOfSlots: number
  /** Where its data network listens (R28). */
  readonly dataAddress: string
  readonly host: string
  readonly pid: number
}

/** The TaskManagers of a cluster as its leader knows them. Plain data. */
export interface Membership {
  readonly timeouts: MembershipTimeouts
  /** Time in which reads of the inbox returned: the only time that counts against a TaskManager (R26). */
  readonly listenedMs: number
  /** When the last read returned, as of the last tick. */
  readonly readAtMs: number | undefined
  /** Of the last Hello. */
  readonly round: number
  readonly probes: number
  readonly members: readonly Member[]
  /** Declared lost under this leader: none comes back under its name (R22). */
  readonly lost: readonly string[]
  /** Jobs that wait until the TaskManagers have said what they have (R23). */
  readonly adoptions: readonly Adoption[]
  /** Slots that stand in the records of stored jobs, whether anything runs in them or not. */
  readonly held: readonly HeldSlot[]
}

export interface MembershipTimeouts {
  /** `heartbeat.interval` */
  readonly heartbeatIntervalMs: number
  /** `heartbeat.timeout` */
  readonly heartbeatTimeoutMs: number
  /** How long a TaskManager whose data connection broke has to answer. */
  readonly probeMs: number
}

export interface Member {
  readonly listed: ListedTaskManager
  /** In listened time. */
  readonly heardAtMs: number
  /** Of the last Hello that it was sent. */
  readonly greeted: number
  /** Its last answer to a Hello; undefined: it gives no slots yet. */
  readonly answered: { readonly round: number; readonly inventory: Inventory } | undefined
  /** It was demanded to answer at once. */
  readonly probe: number | undefined
  /** It wants to leave and gets no slots any more; with the jobs that can go on elsewhere from a checkpoint taken since (R29). */
  readonly leaving: { readonly vacated: readonly JobId[] } | undefined
}

export interface Adoption {
  readonly jobId: JobId
  /** Of its `inventoriesWanted`, by which it knows the answer; 0: a new leader's first one. */
  readonly request: number
  readonly round: number
  /** Who has not answered yet, and is not lost. */
  readonly awaited: readonly string[]
}

export interface HeldSlot {
  readonly jobId: JobId
  readonly slot: SlotAddress
}

export type MembershipMessage =
  /** The first message of a new leader: what stands in the durable store. */
  | { readonly type: 'lead'; readonly jobs: readonly LedJob[]; readonly taskManagers: readonly ListedTaskManager[] }
  /** The registration is durable. */
  | { readonly type: 'taskManagerListed'; readonly listed: ListedTaskManager }
  | {
      readonly type: 'inventory'
      readonly taskManager: string
      readonly round: number
      readonly inventory: Inventory
    }
  | { readonly type: 'heartbeat'; readonly taskManager: string; readonly handled: string }
  /** A data connection to it broke. */
  | { readonly type: 'peerLost'; readonly taskManager: string; readonly by: string }
  | { readonly type: 'leaving'; readonly taskManager: string }
  /** The job can go on elsewhere without loss when this TaskManager goes (R29). */
  | { readonly type: 'vacated'; readonly taskManager: string; readonly jobId: JobId }
  /** Messages to this TaskManager may have been lost, of whatever sender (R22). */
  | { readonly type: 'messagesLost'; readonly taskManager: string }
  /** Messages of this TaskManager to the JobManager were lost; undefined: of anybody. */
  | { readonly type: 'interrupted'; readonly taskManager: string | undefined }
  /** A JobMaster takes its job over again, and wants to know what the TaskManagers have. `held`: the slots that it knows of. */
  | {
      readonly type: 'inventoriesWanted'
      readonly jobId: JobId
      readonly request: number
      readonly held: readonly SlotAddress[]
    }
  /** A TaskManager obeys a newer leader, or another one of this epoch (I4). */
  | { readonly type: 'tokenRefused'; readonly taskManager: string; readonly highest: string }
  /** `readAtMs`: when a read of the inbox last returned, monotonic (R26). */
  | { readonly type: 'tick'; readonly readAtMs: number }
  /** `late`: this process was busy or paused meanwhile, so that the silence tells nothing (R26). */
  | { readonly type: 'probeDue'; readonly taskManager: string; readonly number: number; readonly late: boolean }
  /** Nothing listens where its data network was: its process is dead. */
  | { readonly type: 'connectionRefused'; readonly taskManager: string }

/** What the store has of a job. */
export interface LedJob {
  readonly jobId: JobId
  readonly requestId: string
  /** False: it has ended, and stays known. */
  readonly running: boolean
  readonly held: readonly SlotAddress[]
}

export type MembershipEffect =
  | { readonly type: 'adoptJob'; readonly jobId: JobId }
  /** Makes the registration durable, then `taskManagerListed`. */
  | { readonly type: 'listTaskManager'; readonly listed: ListedTaskManager }
  /** Its entry and its stream go. */
  | { readonly type: 'unlistTaskManager'; readonly taskManager: string }
  | { readonly type: 'hello'; readonly taskManager: string; readonly round: number }
  | { readonly type: 'heartbeat'; readonly taskManager: string; readonly demanded: boolean }
  | { readonly type: 'declareLost'; readonly taskManager: string; readonly reason: string }
  | { readonly type: 'releaseTaskManager'; readonly taskManager: string }
  /** What it has handled of its stream is not needed any more. */
  | { readonly type: 'trim'; readonly taskManager: string; readonly lowestKept: string }
  /** Asks, for as long as a probe may take, whether anything listens there: `connectionRefused`. */
  | { readonly type: 'tryConnection'; readonly taskManager: string; readonly dataAddress: string }
  | { readonly type: 'setProbeTimer'; readonly taskManager: string; readonly number: number; readonly delayMs: number }
  | {
      readonly type: 'giveInventories'
      readonly jobId: JobId
      readonly request: number
      readonly inventories: readonly Inventory[]
    }
  /** The job is over, and nothing of it stays. */
  | { readonly type: 'forgetJob'; readonly jobId: JobId }
  /** A JobMaster has given its job up without an end: this process leads no more (I1). */
  | { readonly type: 'ledNoMore'; readonly jobId: JobId }
  /** The JobMaster takes its job over anew: messages between it and a TaskManager may be lost. */
  | { readonly type: 'adoptAgain'; readonly jobId: JobId }
  /** A checkpoint of the job is wanted before a TaskManager leaves: `vacated` (R29). */
  | { readonly type: 'vacate'; readonly jobId: JobId; readonly taskManager: string }
  | { readonly type: 'superseded'; readonly highest: string }
  | { readonly type: 'log'; readonly level: 'info' | 'warn'; readonly text: string }

export function newMembership(timeouts: MembershipTimeouts): Membership {
  return {
    timeouts,
    listenedMs: 0,
    readAtMs: undefined,
    round: 0,
    probes: 0,
    members: [],
    lost: [],
    adoptions: [],
    held: [],
  }
}

export function memberOf(membership: Membership, taskManager: string): Member | undefined {
  return membership.members.find(({ listed }) => listed.taskManager === taskManager)
}

export function withMember(membership: Membership, changed: Member): Membership {
  const { taskManager } = changed.listed
  const members = membership.members.map((old) => (old.listed.taskManager === taskManager ? changed : old))
  return { ...membership, members }
}

/** It was heard from just now: whatever it was asked, it lives. */
export function heardFrom(membership: Membership, member: Member): Membership {
  return withMember(membership, { ...member, heardAtMs: membership.listenedMs, probe: undefined })
}
