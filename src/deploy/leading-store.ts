import type { JobId } from '../common/ids.ts'
import type { ControlStore, RegisteredTaskManager, StoredJob } from '../coordinator/control-store.ts'
import { readRecord } from '../coordinator/job-master/job-record.ts'

/** The control store of a leader, from which a job's bundle goes with the last job that needs it. */
export class LeadingStore implements ControlStore {
  readonly #inner: ControlStore
  /** Bundles of submissions whose records are not written yet. */
  readonly #submitting = new Map<string, number>()

  constructor(inner: ControlStore) {
    this.#inner = inner
  }

  jobs(): Promise<readonly StoredJob[]> {
    return this.#inner.jobs()
  }

  writeJob(jobId: JobId, expectedRevision: number, record: object): Promise<number> {
    return this.#inner.writeJob(jobId, expectedRevision, record)
  }

  async removeJob(jobId: JobId): Promise<void> {
    const removed = (await this.#inner.jobs()).find((job) => job.jobId === jobId)
    await this.#inner.removeJob(jobId)
    const sha256 = removed === undefined ? undefined : bundleOf(removed)
    if (sha256 !== undefined) await this.#removeUnused(sha256)
  }

  taskManagers(): Promise<readonly RegisteredTaskManager[]> {
    return this.#inner.taskManagers()
  }

  writeTaskManager(entry: RegisteredTaskManager): Promise<void> {
    return this.#inner.writeTaskManager(entry)
  }

  removeTaskManager(id: string): Promise<void> {
    return this.#inner.removeTaskManager(id)
  }

  putBundle(sha256: string, bytes: Uint8Array): Promise<void> {
    return this.#inner.putBundle(sha256, bytes)
  }

  bundle(sha256: string): Promise<Buffer> {
    return this.#inner.bundle(sha256)
  }

  removeBundle(sha256: string): Promise<void> {
    return this.#inner.removeBundle(sha256)
  }

  /** Keeps the bundle while `submission` makes a job of it. */
  async submitting<T>(sha256: string, bytes: Uint8Array, submission: () => Promise<T>): Promise<T> {
    this.#submitting.set(sha256, (this.#submitting.get(sha256) ?? 0) + 1)
    try {
      await this.#inner.putBundle(sha256, bytes)
      return await submission()
    } finally {
      const others = (this.#submitting.get(sha256) ?? 1) - 1
      if (others > 0) this.#submitting.set(sha256, others)
      else this.#submitting.delete(sha256)
    }
  }

  async #removeUnused(sha256: string): Promise<void> {
    const used = (await this.#inner.jobs()).some((job) => bundleOf(job) === sha256)
    if (!used && !this.#submitting.has(sha256)) await this.#inner.removeBundle(sha256)
  }
}

function bundleOf({ record }: StoredJob): string | undefined {
  return readRecord(record).submission.job.bundleSha256
}
