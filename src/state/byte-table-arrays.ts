/** What the arrays of a byte table take, without its keys. */
export function bytesOf(slots: number, capacity: number, width: number): number {
  return slots * 8 + capacity * (4 * 4 + width * 8)
}

/** A larger array that begins as the smaller one. */
export function copied<T extends Float64Array | Int32Array | Uint32Array>(target: T, source: T): T {
  target.set(source)
  return target
}
