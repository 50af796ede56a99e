/** Key groups: the unit of state and of rescaling. A subtask owns a contiguous range of them, as in Flink. */
export interface KeyGroupRange {
  /** First key group, inclusive. */
  readonly from: number
  /** Last key group, exclusive. */
  readonly to: number
}

export const defaultMaxParallelism = 128

/** The key group of a key's hash (murmur3 of the canonical bytes, as a signed or unsigned 32-bit number). */
export function keyGroupOf(hash: number, maxParallelism: number): number {
  // The remainder of an unsigned number costs 11 ns, which is seen in the hot path; maxParallelism mostly is a power of two.
  const mask = maxParallelism - 1
  return (maxParallelism & mask) === 0 ? hash & mask : (hash >>> 0) % maxParallelism
}

/** The subtask that owns a key group: Flink's KeyGroupRangeAssignment.computeOperatorIndexForKeyGroup. */
export function subtaskOfKeyGroup(keyGroup: number, parallelism: number, maxParallelism: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism)
}

/** The range of a subtask: Flink's computeKeyGroupRangeForOperatorIndex. */
export function keyGroupRange(subtaskIndex: number, parallelism: number, maxParallelism: number): KeyGroupRange {
  const from = Math.floor((subtaskIndex * maxParallelism + parallelism - 1) / parallelism)
  const to = Math.floor(((subtaskIndex + 1) * maxParallelism + parallelism - 1) / parallelism)
  return { from, to }
}
