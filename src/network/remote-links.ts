import type { ErrorData } from '../common/errors.ts'
import type { DeploymentId } from '../common/ids.ts'
import type { PeerPort } from '../task/slot-host.ts'

/** All channels of one deployment between a slot here and one of another TaskManager. */
export interface RemoteLink {
  readonly deploymentId: DeploymentId
  /** The job's own number of the slot here. */
  readonly jobSlot: number
  readonly remoteJobSlot: number
  readonly taskManager: string
  /** Where the data network of that TaskManager listens. */
  readonly dataAddress: string
}

/** How slots reach slots of other TaskManagers: within the process (tests), or by the data network (R28). */
export interface RemoteLinks {
  /**
   * Joins `port`, whose other end the slot has, with its counterpart: the one that the other TaskManager gives for the
   * same deployment and pair of slots. What is sent before that waits.
   */
  connect(link: RemoteLink, port: PeerPort): void
  /** Links are lost, with all that was on its way on them. */
  onLost(listener: (lost: LostLinks) => void): void
}

export interface LostLinks {
  readonly taskManager: string
  /** Whose attempts here can not go on. */
  readonly deployments: readonly DeploymentId[]
  readonly error: ErrorData
  /** The connection broke or can not be had, so the TaskManager may be gone. */
  readonly isPeerLost: boolean
}
