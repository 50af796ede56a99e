/** Up to here a hash and an index fit into one double. */
const packableLength = 2 ** 21

/**
 * The order of `length` items by their hash as an unsigned number (pieces are sorted so). A numeric sort of packed
 * doubles, since a comparator costs ten times as much.
 */
export function orderByHash(length: number, hashAt: (index: number) => number): ArrayLike<number> {
  if (length > packableLength) {
    const order = Array.from({ length }, (_, index) => index)
    return order.sort((left, right) => (hashAt(left) >>> 0) - (hashAt(right) >>> 0))
  }
  const packed = new Float64Array(length)
  for (let index = 0; index < length; index++) packed[index] = (hashAt(index) >>> 0) * packableLength + index
  packed.sort()
  const order = new Uint32Array(length)
  for (let index = 0; index < length; index++) order[index] = (packed[index] as number) % packableLength
  return order
}
