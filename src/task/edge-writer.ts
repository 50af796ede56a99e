import type { Key } from '../api/functions.ts'
import { isMillraceError, MillraceError } from '../common/errors.ts'
import { hashKey } from '../common/key.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../common/key-groups.ts'
import type { Partitioner } from '../graph/stream-graph.ts'
import type { ControlItem } from './channel-item.ts'
import type { Receiver } from './operator.ts'
import { userFunctionError } from './operators/user-function-error.ts'
import type { OutputChannel } from './output-channel.ts'

/** Writes the records of one edge of the job graph into the channels of one sending subtask. */
export class EdgeWriter {
  readonly receiver: Receiver
  readonly #channels: readonly OutputChannel[]

  constructor(receiver: Receiver, channels: readonly OutputChannel[]) {
    this.receiver = receiver
    this.#channels = channels
  }

  /** False: a channel has no credit, and the task is not scheduled (R33). */
  get writable(): boolean {
    for (const channel of this.#channels) if (!channel.writable) return false
    return true
  }

  /** Whether records wait for the rest of their batch. */
  get buffered(): boolean {
    for (const channel of this.#channels) if (channel.buffered) return true
    return false
  }

  get shippedRecords(): number {
    let records = 0
    for (const channel of this.#channels) records += channel.shipped
    return records
  }

  flush(): void {
    for (const channel of this.#channels) channel.flush()
  }

  /** To every channel, behind all records before it. */
  control(item: ControlItem): void {
    for (const channel of this.#channels) channel.control(item)
  }
}

export interface EdgeOptions {
  readonly partitioner: Partitioner
  /** For a forward edge the one channel, else one for each receiving subtask. */
  readonly channels: readonly OutputChannel[]
  readonly subtaskIndex: number
  /** Max parallelism of the receiving vertex. */
  readonly maxParallelism: number
  /** Name of the receiving operator, whose key selector it is. */
  readonly receiverName: string
}

export function createEdgeWriter(options: EdgeOptions): EdgeWriter {
  return new EdgeWriter(receiverOf(options), options.channels)
}

function receiverOf(options: EdgeOptions): Receiver {
  const { partitioner, channels } = options
  if (channels.length === 0) return new NobodyReceiver(options.receiverName)
  switch (partitioner.kind) {
    case 'forward':
      return new ForwardReceiver(channels)
    case 'hash':
      return new HashReceiver(partitioner.keySelector, options)
    case 'rebalance':
      return new RebalanceReceiver(channels, options.subtaskIndex)
    case 'broadcast':
      return new BroadcastReceiver(channels)
    default: {
      const never: never = partitioner
      throw new TypeError(`unknown partitioner ${JSON.stringify(never)}`)
    }
  }
}

/** Behind a subtask whose region had ended when its checkpoint was taken: it is there to commit, and emits nothing (R12). */
class NobodyReceiver implements Receiver {
  readonly #receiverName: string

  constructor(receiverName: string) {
    this.#receiverName = receiverName
  }

  processElement(): void {
    throw new MillraceError('MR_INTERNAL', `a record for "${this.#receiverName}" comes from a subtask that has ended`)
  }
}

class ForwardReceiver implements Receiver {
  readonly #channel: OutputChannel

  constructor(channels: readonly OutputChannel[]) {
    const [channel] = channels
    if (channel === undefined || channels.length > 1) {
      throw new MillraceError('MR_INTERNAL', `a forward edge has one channel, not ${channels.length}`)
    }
    this.#channel = channel
  }

  processElement(value: unknown, timestamp: number): void {
    this.#channel.add(value, timestamp)
  }
}

/** By key group, so that a key's records go to the subtask that holds its state. The hash is shipped with the record. */
class HashReceiver implements Receiver {
  readonly #keyOf: (value: unknown) => Key
  readonly #channelOfKeyGroup: readonly OutputChannel[]
  readonly #maxParallelism: number
  readonly #receiverName: string

  constructor(keySelector: (value: unknown) => Key, options: EdgeOptions) {
    const { channels, maxParallelism, receiverName } = options
    this.#keyOf = keySelector
    this.#maxParallelism = maxParallelism
    this.#receiverName = receiverName
    this.#channelOfKeyGroup = Array.from(
      { length: maxParallelism },
      (_, keyGroup) => channels[subtaskOfKeyGroup(keyGroup, channels.length, maxParallelism)] as OutputChannel,
    )
  }

  processElement(value: unknown, timestamp: number): void {
    const hash = this.#hash(value)
    const channel = this.#channelOfKeyGroup[keyGroupOf(hash, this.#maxParallelism)] as OutputChannel
    channel.addHashed(value, timestamp, hash)
  }

  #hash(value: unknown): number {
    try {
      return hashKey(this.#keyOf(value))
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MR_KEY') {
        throw new MillraceError('MR_KEY', `the key selector of operator "${this.#receiverName}": ${error.message}`, {
          cause: error,
          operator: this.#receiverName,
        })
      }
      throw userFunctionError(error, this.#receiverName, 'the key selector')
    }
  }
}

class RebalanceReceiver implements Receiver {
  readonly #channels: readonly OutputChannel[]
  #next: number

  /** Subtasks begin with different receivers, so that a few records are spread too. */
  constructor(channels: readonly OutputChannel[], subtaskIndex: number) {
    this.#channels = channels
    this.#next = subtaskIndex % channels.length
  }

  processElement(value: unknown, timestamp: number): void {
    const channel = this.#channels[this.#next] as OutputChannel
    this.#next = this.#next + 1 === this.#channels.length ? 0 : this.#next + 1
    channel.add(value, timestamp)
  }
}

class BroadcastReceiver implements Receiver {
  readonly #channels: readonly OutputChannel[]

  constructor(channels: readonly OutputChannel[]) {
    this.#channels = channels
  }

  processElement(value: unknown, timestamp: number): void {
    for (const channel of this.#channels) channel.add(value, timestamp)
  }
}
