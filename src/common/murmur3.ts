const c1 = 0xcc9e2d51 | 0
const c2 = 0x1b873593 | 0

/** Mixes one block of four bytes (little-endian) into the hash. */
export function mixBlock(hash: number, block: number): number {
  let k = Math.imul(block, c1)
  k = (k << 15) | (k >>> 17)
  const h = hash ^ Math.imul(k, c2)
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/** Mixes the last one to three bytes (0 for none) and the length, and avalanches. */
export function finish(hash: number, tail: number, length: number): number {
  let k = Math.imul(tail, c1)
  k = (k << 15) | (k >>> 17)
  let h = hash ^ Math.imul(k, c2) ^ length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** MurmurHash3_x86_32 (Austin Appleby, public domain) of `bytes[start, end)`, as a signed 32-bit number. */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let hash = seed | 0
  let position = start
  for (; end - position >= 4; position += 4) {
    hash = mixBlock(
      hash,
      (bytes[position] as number) |
        ((bytes[position + 1] as number) << 8) |
        ((bytes[position + 2] as number) << 16) |
        ((bytes[position + 3] as number) << 24),
    )
  }
  let tail = 0
  for (let shift = 0; position < end; position++, shift += 8) tail |= (bytes[position] as number) << shift
  return finish(hash, tail, end - start)
}
