import type { PieceKind } from './chunk-layout.ts'

/** What a snapshot wrote for one state and key group: a chunk (docs/chunk-format.md). */
export interface StatePiece {
  readonly stateName: string
  readonly keyGroup: number
  readonly kind: PieceKind
  /** Empty for a full piece of an empty key group: older pieces are dropped and nothing takes their place. */
  readonly bytes: Buffer
  /** Goes on where a full piece was cut off because of its size: counts as part of it. */
  readonly isContinuation: boolean
}
