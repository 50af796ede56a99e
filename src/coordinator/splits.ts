import type { SourceSplit } from '../api/source.ts'

/** A split with the subtask that reads it. A split stays with its subtask for the life of a JobMaster. */
export interface AssignedSplit {
  /** With the position to read from where no checkpoint of this run has the split: a number or the like, never "latest" (R18). */
  readonly split: SourceSplit
  readonly subtaskIndex: number
}

/** First assignment: round robin over the ids, so that every start from the same splits assigns alike. */
export function assignSplits(splits: readonly SourceSplit[], parallelism: number): readonly AssignedSplit[] {
  const sorted = splits.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  return sorted.map((split, index) => ({ split, subtaskIndex: index % parallelism }))
}

/** Splits found while the job runs: each to the subtask that has the fewest; those already known are left out. */
export function addSplits(
  assigned: readonly AssignedSplit[],
  found: readonly SourceSplit[],
  parallelism: number,
): readonly AssignedSplit[] {
  const counts = new Array<number>(parallelism).fill(0)
  for (const { subtaskIndex } of assigned) counts[subtaskIndex] = (counts[subtaskIndex] ?? 0) + 1
  const known = new Set(assigned.map(({ split }) => split.id))
  const added: AssignedSplit[] = []
  for (const split of found) {
    if (known.has(split.id)) continue
    known.add(split.id)
    const subtaskIndex = counts.indexOf(Math.min(...counts))
    counts[subtaskIndex] = (counts[subtaskIndex] ?? 0) + 1
    added.push({ split, subtaskIndex })
  }
  return added
}

/** What one subtask reads: positions of the checkpoint where it has the split, else the split's own. */
export function splitsOfSubtask(
  assigned: readonly AssignedSplit[],
  subtaskIndex: number,
  checkpointed: readonly SourceSplit[],
): readonly SourceSplit[] {
  const positions = new Map(checkpointed.map((split) => [split.id, split]))
  return assigned
    .filter((entry) => entry.subtaskIndex === subtaskIndex)
    .map(({ split }) => positions.get(split.id) ?? split)
}
