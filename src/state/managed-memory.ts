import { MillraceError } from '../common/errors.ts'

/**
 * The budget of off-heap state of one slot (`taskmanager.memory.managed.size` divided among the slots). Node counts
 * array buffers in no limit of a worker, so the tables account for themselves. Copies that a running snapshot holds
 * come on top: at most the size of the columns once more.
 */
export class ManagedMemory {
  readonly limitBytes: number
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** @throws MillraceError MR_MANAGED_MEMORY_FULL naming `owner` (operator and state) where the budget does not hold it */
  reserve(bytes: number, owner: string): void {
    if (this.#usedBytes + bytes > this.limitBytes) {
      throw new MillraceError(
        'MR_MANAGED_MEMORY_FULL',
        `${owner} needs ${bytes} more bytes of managed memory, but ${this.#usedBytes} of the slot's ${this.limitBytes} are in use.`,
      )
    }
    this.#usedBytes += bytes
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
