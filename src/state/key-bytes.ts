/** Keys of a batch of columns: their canonical bytes (R36) stand in `view`, one behind the other. */
export interface KeyRows {
  readonly view: DataView
  readonly hashes: Int32Array
  readonly keyEnds: Int32Array
  readonly keysStart: number
  readonly count: number
}

/** Whether `length` bytes of `keys` at `offset` are those of `other` at `start`: four at a time. */
export function sameKey(
  keys: DataView,
  offset: number,
  { view, start, length }: { readonly view: DataView; readonly start: number; readonly length: number },
): boolean {
  let index = 0
  for (; index + 4 <= length; index += 4) {
    if (keys.getInt32(offset + index) !== view.getInt32(start + index)) return false
  }
  for (; index < length; index++) {
    if (keys.getUint8(offset + index) !== view.getUint8(start + index)) return false
  }
  return true
}
