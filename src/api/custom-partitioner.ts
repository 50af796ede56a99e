import type { Partitioner } from '../graph/stream-graph.ts'
import { declaredSynchronousFunction } from './declaration.ts'
import type { Key, KeySelector } from './functions.ts'

/** @internal The partitioner of `partitionCustom`, checked. */
export function customPartitioner<T, K extends Key>(
  partition: (key: K, numberOfPartitions: number) => number,
  keySelector: KeySelector<T, K>,
): Partitioner {
  declaredSynchronousFunction(partition, 'partitionCustom', 'the partitioner')
  declaredSynchronousFunction(keySelector, 'partitionCustom', 'the key selector')
  return {
    kind: 'custom',
    partition: partition as (key: Key, numberOfPartitions: number) => number,
    keySelector: keySelector as KeySelector<unknown, Key>,
  }
}
