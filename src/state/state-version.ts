import type { CheckpointId } from '../common/ids.ts'

/** Of an entry that is removed: above every checkpoint id, so that no snapshot takes it. */
export const deadStamp = 0x7fffffff

/** Of an entry that came with a restore: in every base that it can meet. */
export const restoredStamp = 0

/**
 * Which interval between barriers the state is in (R1). Changed entries carry `stamp`, which is the last barrier + 1;
 * entries that did not exist at the last barrier carry it negated, and need no tombstone when they go.
 */
export class StateVersion {
  stamp = 1
  newStamp = -1
  /** The lowest base that stamps can be compared with: before the first barrier there is none. */
  lowestBase: number = Number.POSITIVE_INFINITY

  /** The state is what checkpoint `id` holds, and the own manifest of it may be a base. */
  startFrom(id: CheckpointId | number): void {
    this.#enter(id)
    this.lowestBase = id
  }

  barrier(id: CheckpointId): void {
    this.#enter(id)
    this.lowestBase = Math.min(this.lowestBase, id)
  }

  #enter(id: number): void {
    this.stamp = id + 1
    this.newStamp = -this.stamp
  }
}
