import type { Key, KeySelector } from '../../api/functions.ts'
import type { EdgeColumns } from '../../columns/column-plan.ts'
import { hashKey } from '../../common/key.ts'
import { subtaskOfKeyGroup } from '../../common/key-groups.ts'
import { EdgeWriter, keyError } from '../edge-writer.ts'
import type { Connection } from '../output-channel.ts'
import { ColumnChannel } from './column-channel.ts'
import { ColumnReceiver } from './column-receiver.ts'

interface ColumnReceiverOptions {
  readonly keySelector: KeySelector<unknown, Key> | undefined
  /** Of the receiving vertex. */
  readonly maxParallelism: number
  readonly receiverName: string
}

/** The writer of an edge that carries columns: objects come through its receiver, a scan writes by itself. */
export function createColumnEdgeWriter(
  columns: EdgeColumns,
  connections: readonly Connection[],
  options: ColumnReceiverOptions,
): EdgeWriter {
  const layout = { values: columns.values.length }
  const channels = connections.map((connection) => new ColumnChannel(connection, layout))
  const targets = Array.from(
    { length: options.maxParallelism },
    (_, keyGroup) => channels[subtaskOfKeyGroup(keyGroup, channels.length, options.maxParallelism)] as ColumnChannel,
  )
  return new EdgeWriter(new ColumnReceiver(columns, targets, (value) => hashOf(value, options)), channels, {
    columnTargets: targets,
  })
}

function hashOf(value: unknown, { keySelector, receiverName }: ColumnReceiverOptions): number {
  try {
    return hashKey(keySelector?.(value) as Key)
  } catch (error) {
    throw keyError(error, receiverName)
  }
}
