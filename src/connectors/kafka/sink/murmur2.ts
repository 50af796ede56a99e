const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/** Kafka's hash of a record's key (murmur2, 32 bits, signed): all of Kafka's producers put a key into the same partition by it. Of `bytes[0, length)`. */
export function murmur2(bytes: Uint8Array, length: number = bytes.length): number {
  const whole = length & ~3
  let hash = seed ^ length
  for (let at = 0; at < whole; at += 4) {
    let word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    word = Math.imul(word, multiplier)
    word ^= word >>> 24
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
  }
  const rest = length - whole
  if (rest > 0) {
    if (rest === 3) hash ^= (bytes[whole + 2] as number) << 16
    if (rest >= 2) hash ^= (bytes[whole + 1] as number) << 8
    hash = Math.imul(hash ^ (bytes[whole] as number), multiplier)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}
