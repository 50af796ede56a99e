/** `delta`: what changed since the base (R1); `full`: everything, so that older pieces of the key group are not needed. */
export type PieceKind = 'full' | 'delta'

/** The place in this list stands in chunks: append only. */
export const stateKinds = [
  'value',
  'list',
  'map',
  'reducing',
  'aggregating',
  'accumulator',
  'panes',
  'operator-list',
] as const

export type StateKind = (typeof stateKinds)[number]

export const chunkMagic: Uint8Array = new Uint8Array([0x4d, 0x52, 0x43, 0x4b])
export const formatVersion = 1
export const headerLength = 24

/** Stands for the key group in chunks of operator state. */
export const noKeyGroup = -1
