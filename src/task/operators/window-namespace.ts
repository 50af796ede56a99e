import type { Key, TimeWindow } from '../../api/functions.ts'
import { isMerging, type WindowAssigner } from '../../graph/operator-spec.ts'

/** The second key that state of a window is kept under, besides the key of its records. */
export type NamespaceOf = (window: TimeWindow) => Key

/** Windows of one length are told apart by their start; merging ones may have it in common for a moment. */
export function namespaceOf(assigner: WindowAssigner): NamespaceOf {
  if (assigner.kind === 'global') return () => 0
  return isMerging(assigner) ? ({ start, end }) => [start, end] : ({ start }) => start
}
