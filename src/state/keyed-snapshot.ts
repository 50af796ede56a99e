import type { CheckpointBarrier } from './checkpoint-record.ts'

/** What a snapshot wrote for one state and key group: a chunk (docs/chunk-format.md). */
export interface StatePiece {
  readonly stateName: string
  readonly keyGroup: number
  /** `full`: older pieces of this state and key group are not needed. `delta`: what changed since the base (R1). */
  readonly kind: 'full' | 'delta'
  readonly bytes: Buffer
}

/** Set by SubtaskSnapshots in the same turn as `KeyedStateBackend.snapshot`. Without it everything is written. */
export interface SnapshotPlan {
  /** Effective base: its own manifest of it is there (R1); 0: everything is written. */
  readonly base: number
  /** Key groups that get a full piece (R5), by state name. */
  readonly fullKeyGroups: ReadonlyMap<string, ReadonlySet<number>>
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/** The state of one operator at a barrier, written out in slices while the state changes on (R6). */
export class KeyedSnapshot {
  readonly barrier: CheckpointBarrier

  constructor(barrier: CheckpointBarrier) {
    this.barrier = barrier
  }

  plan(_plan: SnapshotPlan): void {
    unwritten()
  }

  /** Serialises at most about `maxEntries`; true: done. */
  drain(_maxEntries: number): boolean {
    return unwritten()
  }

  /** Pieces that are complete since the last call. */
  takePieces(): readonly StatePiece[] {
    return unwritten()
  }

  /** A higher barrier or an abort: nothing more is written or preserved. */
  cancel(): void {
    unwritten()
  }
}
