import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError, messageOf } from '../../common/errors.ts'
import type { JobId } from '../../common/ids.ts'
import {
  type ClusterFacts,
  compare,
  type DataLoss,
  type FoundFacts,
  learned,
  nothingKnown,
} from '../../coordinator/election/data-loss.ts'

/** What this process knows of its cluster outside Redis (R25, I12): in memory, and in a file where it has one. */
export class ClusterMemory {
  readonly #file: string | undefined
  #facts: ClusterFacts
  #written: Promise<void> = Promise.resolve()
  #dirty = false

  private constructor(file: string | undefined, facts: ClusterFacts) {
    this.#file = file
    this.#facts = facts
  }

  /** @throws MillraceError MR_STORAGE where the file can not be read */
  static async open(file?: string): Promise<ClusterMemory> {
    if (file === undefined) return new ClusterMemory(undefined, nothingKnown)
    try {
      return new ClusterMemory(file, JSON.parse(await readFile(file, 'utf8')) as ClusterFacts)
    } catch (error) {
      if (isAbsent(error)) return new ClusterMemory(file, nothingKnown)
      throw new MillraceError('MR_STORAGE', `${file}: ${messageOf(error)}`, { cause: error })
    }
  }

  get facts(): ClusterFacts {
    return this.#facts
  }

  /** In what Redis is behind; where in nothing, what was found is remembered. */
  examine(found: FoundFacts): readonly DataLoss[] {
    const losses = compare(this.#facts, found)
    if (losses.length === 0) this.accept(found)
    else this.epochSeen(found.epoch)
    return losses
  }

  /** What was found is what is known from now on. */
  accept(found: FoundFacts): void {
    this.#remember(learned(this.#facts, found))
  }

  epochSeen(epoch: number): void {
    if (epoch > this.#facts.epoch) this.#remember({ ...this.#facts, epoch })
  }

  checkpointCompleted(jobId: JobId, checkpointId: number): void {
    if (checkpointId <= (this.#facts.checkpoints[jobId] ?? 0)) return
    this.#remember({ ...this.#facts, checkpoints: { ...this.#facts.checkpoints, [jobId]: checkpointId } })
  }

  jobEnded(jobId: JobId): void {
    const { [jobId]: _ended, ...checkpoints } = this.#facts.checkpoints
    this.#remember({ ...this.#facts, checkpoints })
  }

  /** Resolves when all that was told before is in the file. @throws MillraceError MR_STORAGE */
  async durable(): Promise<void> {
    await this.#written
  }

  #remember(facts: ClusterFacts): void {
    this.#facts = facts
    const file = this.#file
    if (file === undefined || this.#dirty) return
    this.#dirty = true
    const written = this.#written.catch(() => {}).then(() => this.#write(file))
    this.#written = written
    // Told to whoever waits for `durable`; the next change writes all again.
    written.catch(() => {})
  }

  async #write(file: string): Promise<void> {
    this.#dirty = false
    const text = JSON.stringify(this.#facts)
    try {
      await mkdir(dirname(file), { recursive: true })
      const handle = await open(`${file}.new`, 'w')
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(`${file}.new`, file)
    } catch (error) {
      throw new MillraceError('MR_STORAGE', `${file}: ${messageOf(error)}`, { cause: error })
    }
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
