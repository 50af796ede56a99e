import type { CheckpointBarrier } from './checkpoint-record.ts'
import type { StatePiece } from './state-piece.ts'
import type { PieceSink, TableSnapshot } from './table-snapshot.ts'

/** Set by SubtaskSnapshots in the same turn as `KeyedStateBackend.snapshot`. Without it everything is written. */
export interface SnapshotPlan {
  /** Effective base: its own manifest of it is there (R1); 0: everything is written. */
  readonly base: number
  /** Key groups that get a full piece (R5), by state name. */
  readonly fullKeyGroups: ReadonlyMap<string, ReadonlySet<number>>
}

/** A table's part, by the state's name. */
export interface NamedSnapshot {
  readonly stateName: string
  readonly snapshot: TableSnapshot
}

const noKeyGroups: ReadonlySet<number> = new Set()

/** The state of one operator at a barrier, written out in slices while the state changes on (R6). */
export class KeyedSnapshot {
  readonly barrier: CheckpointBarrier
  readonly #lowestBase: number
  readonly #tables: readonly NamedSnapshot[]
  readonly #restored: readonly StatePiece[]
  #pieces: StatePiece[] = []
  #next = 0
  #isCancelled = false

  /**
   * `restored`: pieces of state that nobody has asked for since the restore; they are handed on as they are.
   * `lowestBase`: below it, entries have no stamps to compare with.
   */
  constructor(
    barrier: CheckpointBarrier,
    lowestBase: number,
    restored: readonly StatePiece[],
    snapshots: (emit: PieceSink) => readonly NamedSnapshot[],
  ) {
    this.barrier = barrier
    this.#lowestBase = lowestBase
    this.#restored = restored
    this.#tables = snapshots((piece) => this.#pieces.push(piece))
    this.#pieces.push(...restored)
  }

  /** Before it was drained: its pieces are incomplete. */
  get isCancelled(): boolean {
    return this.#isCancelled
  }

  plan(plan: SnapshotPlan): void {
    const base = plan.base < this.#lowestBase ? 0 : plan.base
    // The manifest of the base names what nobody has touched.
    if (base !== 0) this.#pieces = this.#pieces.filter((piece) => !this.#restored.includes(piece))
    for (const { stateName, snapshot } of this.#tables) {
      snapshot.plan(base, plan.fullKeyGroups.get(stateName) ?? noKeyGroups)
    }
  }

  /** Serialises at most about `maxEntries`; true: done. */
  drain(maxEntries: number): boolean {
    let budget = maxEntries
    while (this.#next < this.#tables.length) {
      const { snapshot } = this.#tables[this.#next] as NamedSnapshot
      if (snapshot.isDone) this.#next++
      else if (budget <= 0) return false
      else budget -= Math.max(1, snapshot.step(budget))
    }
    return true
  }

  /** Pieces that are complete since the last call. Within a state and key group a full one comes before deltas. */
  takePieces(): readonly StatePiece[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** A higher barrier or an abort: nothing more is written or preserved. */
  cancel(): void {
    if (this.#tables.some(({ snapshot }) => !snapshot.isDone)) {
      this.#isCancelled = true
      this.#pieces = []
    }
    for (const { snapshot } of this.#tables) snapshot.end()
  }
}
