import { MillraceError } from '../common/errors.ts'
import type { JobId, LeaderToken } from '../common/ids.ts'
import { checkBundle, missingBundle } from '../state/bundle-content.ts'
import type { ControlStore, LeaderAuthority, RegisteredTaskManager, StoredJob } from './control-store.ts'

interface MemoryJob {
  readonly revision: number
  readonly writer: LeaderToken
  /** JSON, so that nobody shares it. */
  readonly text: string
}

/** What outlives leaders; as Redis it knows who may write. For tests and simulations. */
export class MemoryControlPlane {
  leader: LeaderToken | undefined
  readonly jobs = new Map<JobId, MemoryJob>()
  readonly taskManagers = new Map<string, RegisteredTaskManager>()
  readonly bundles = new Map<string, Buffer>()
}

/** The ControlStore of one leader in memory. */
export class MemoryControlStore implements ControlStore {
  readonly #plane: MemoryControlPlane
  readonly #authority: LeaderAuthority

  constructor(plane: MemoryControlPlane, authority: LeaderAuthority) {
    this.#plane = plane
    this.#authority = authority
  }

  async jobs(): Promise<readonly StoredJob[]> {
    return [...this.#plane.jobs].map(([jobId, { revision, text }]) => ({ jobId, revision, record: JSON.parse(text) }))
  }

  async writeJob(jobId: JobId, expectedRevision: number, record: object): Promise<number> {
    this.#checkFence()
    const { token } = this.#authority
    const stored = this.#plane.jobs.get(jobId)
    const current = stored?.revision ?? 0
    if (current !== expectedRevision && !(current > expectedRevision && stored?.writer === token)) {
      throw revisionMismatch(jobId, expectedRevision, current)
    }
    this.#plane.jobs.set(jobId, { revision: current + 1, writer: token, text: JSON.stringify(record) })
    return current + 1
  }

  async removeJob(jobId: JobId): Promise<void> {
    this.#checkFence()
    this.#plane.jobs.delete(jobId)
  }

  async taskManagers(): Promise<readonly RegisteredTaskManager[]> {
    return [...this.#plane.taskManagers.values()]
  }

  async writeTaskManager(entry: RegisteredTaskManager): Promise<void> {
    this.#checkFence()
    this.#plane.taskManagers.set(entry.id, { ...entry })
  }

  async removeTaskManager(id: string): Promise<void> {
    this.#checkFence()
    this.#plane.taskManagers.delete(id)
  }

  async putBundle(sha256: string, bytes: Uint8Array): Promise<void> {
    checkBundle(sha256, bytes)
    this.#plane.bundles.set(sha256, Buffer.from(bytes))
  }

  async bundle(sha256: string): Promise<Buffer> {
    const bytes = this.#plane.bundles.get(sha256)
    if (bytes === undefined) throw missingBundle(sha256)
    checkBundle(sha256, bytes)
    return bytes
  }

  async removeBundle(sha256: string): Promise<void> {
    this.#checkFence()
    this.#plane.bundles.delete(sha256)
  }

  #checkFence(): void {
    checkLease(this.#authority)
    if (this.#plane.leader === this.#authority.token) return
    throw new MillraceError('MR_FENCED', `fenced by ${this.#plane.leader ?? 'nobody'}`)
  }
}

/** A process past its deadline sends no write (I3). @throws MillraceError MR_FENCED */
export function checkLease(authority: LeaderAuthority): void {
  if (authority.isValid()) return
  throw new MillraceError('MR_FENCED', `the lease of ${authority.token} has ended: nothing is written`)
}

export function revisionMismatch(jobId: JobId, expected: number, found: number): MillraceError {
  const text = `job ${jobId}: its record has revision ${found}, ${expected} was expected`
  return new MillraceError('MR_REVISION_MISMATCH', text)
}
