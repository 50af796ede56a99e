import type { Key } from '../api/functions.ts'
import type { CombinePlan } from '../columns/column-plan.ts'
import type { ColumnTarget } from '../columns/scan-script.ts'
import { isMillraceError, MillraceError } from '../common/errors.ts'
import { hashKey } from '../common/key.ts'
import { keyGroupOf, subtaskOfKeyGroup } from '../common/key-groups.ts'
import type { Random } from '../common/ports.ts'
import { SeededRandom } from '../common/seeded-random.ts'
import type { Partitioner } from '../graph/stream-graph.ts'
import type { WindowCombination } from '../graph/window-combining.ts'
import type { ControlItem } from './channel-item.ts'
import { ColumnCombiner } from './columns/column-combiner.ts'
import { ColumnReceiver } from './columns/column-receiver.ts'
import type { Combiner } from './combining-gain.ts'
import type { Receiver } from './operator.ts'
import { userFunctionError } from './operators/user-function-error.ts'
import type { EdgeChannel, OutputChannel } from './output-channel.ts'
import { WindowCombiner } from './window-combiner.ts'
import type { WindowPartial } from './window-partial.ts'

/** What an edge has besides its channels. */
export interface EdgeExtras {
  readonly combiner?: Combiner
  readonly columnTargets?: readonly ColumnTarget[]
}

/** Writes the records of one edge of the job graph into the channels of one sending subtask. */
export class EdgeWriter {
  readonly receiver: Receiver
  /** For a scan that writes columns of itself: by key group, or one for all. */
  readonly columnTargets: readonly ColumnTarget[] | undefined
  readonly #channels: readonly EdgeChannel[]
  readonly #combiner: Combiner | undefined

  constructor(receiver: Receiver, channels: readonly EdgeChannel[], extras: EdgeExtras = {}) {
    this.receiver = receiver
    this.#channels = channels
    this.#combiner = extras.combiner
    this.columnTargets = extras.columnTargets
  }

  /** False: a channel has no credit, and the task is not scheduled (R33). */
  get writable(): boolean {
    for (const channel of this.#channels) if (!channel.writable) return false
    return true
  }

  /** Whether records wait for the rest of their batch. */
  get buffered(): boolean {
    if (this.#combiner?.buffered === true) return true
    for (const channel of this.#channels) if (channel.buffered) return true
    return false
  }

  get shippedRecords(): number {
    let records = 0
    for (const channel of this.#channels) records += channel.shipped
    return records
  }

  flush(): void {
    this.#combiner?.flush()
    for (const channel of this.#channels) channel.flush()
  }

  /** To every channel, behind all records before it, combined ones included (R34). */
  control(item: ControlItem): void {
    this.#combiner?.flush()
    if (item.type === 'watermark') this.#combiner?.advanceWatermark(item.watermark)
    for (const channel of this.#channels) channel.control(item)
  }
}

export interface EdgeOptions {
  readonly partitioner: Partitioner
  /** For a forward edge the one channel, for a rescale edge those of the sender's group, else one for each receiving subtask. */
  readonly channels: readonly OutputChannel[]
  readonly subtaskIndex: number
  /** Max parallelism of the receiving vertex. */
  readonly maxParallelism: number
  /** Name of the receiving operator, whose key selector it is. */
  readonly receiverName: string
  /** Where records are combined before they are sent (R34). */
  readonly combination?: WindowCombination | undefined
  /** Set where they are combined from columns. */
  readonly combine?: CombinePlan | undefined
  /** It has a dead-letter output: records whose key selector throws are its matter. */
  readonly receiverTakesFailures?: boolean
}

export function createEdgeWriter(options: EdgeOptions): EdgeWriter {
  const { partitioner, combination, channels } = options
  if (partitioner.kind === 'hash' && combination !== undefined && channels.length > 0) {
    return combiningEdgeWriter(new KeyedChannels(partitioner.keySelector, options), combination, options)
  }
  return new EdgeWriter(receiverOf(options), options.channels)
}

function receiverOf(options: EdgeOptions): Receiver {
  const { partitioner, channels } = options
  if (channels.length === 0) return new NobodyReceiver(options.receiverName)
  switch (partitioner.kind) {
    case 'forward':
      return new ForwardReceiver(channels)
    case 'hash':
      return hashReceiverOf(new KeyedChannels(partitioner.keySelector, options), options)
    case 'rebalance':
    case 'rescale':
      return new RebalanceReceiver(channels, options.subtaskIndex)
    case 'broadcast':
      return new BroadcastReceiver(channels)
    case 'shuffle':
      return new ShuffleReceiver(channels, new SeededRandom(options.subtaskIndex + 1))
    case 'global':
      return new ForwardReceiver(channels.slice(0, 1))
    case 'custom':
      return new CustomReceiver(partitioner, options)
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

function combiningEdgeWriter(
  keyed: KeyedChannels,
  combination: WindowCombination,
  { receiverName, channels, combine: plan }: EdgeOptions,
): EdgeWriter {
  const send = (partial: WindowPartial, keyHash: number): void =>
    keyed.channelOf(keyHash).addHashed(partial, partial.end - 1, keyHash)
  if (plan !== undefined) {
    const combiner = new ColumnCombiner({ plan, combination, receiverName, send })
    const columnTargets = [combiner.target]
    const receiver = new ColumnReceiver(plan, columnTargets, (value) => keyed.hashOf(keyed.keyOf(value)))
    return new EdgeWriter(receiver, channels, { combiner, columnTargets })
  }
  const combiner = new WindowCombiner({
    combination,
    receiverName,
    keyOf: (value) => keyed.keyOf(value),
    hashOf: (key) => keyed.hashOf(key),
    send,
  })
  const receiver = { processElement: (value: unknown, timestamp: number) => combiner.add(value, timestamp) }
  return new EdgeWriter(receiver, channels, { combiner })
}

/** The channels of a hash edge by key group, so that a key's records go to the subtask that holds its state. */
class KeyedChannels {
  readonly #keySelector: (value: unknown) => Key
  readonly #channelOfKeyGroup: readonly OutputChannel[]
  readonly #maxParallelism: number
  readonly #receiverName: string

  constructor(keySelector: (value: unknown) => Key, options: EdgeOptions) {
    const { channels, maxParallelism, receiverName } = options
    this.#keySelector = keySelector
    this.#maxParallelism = maxParallelism
    this.#receiverName = receiverName
    this.#channelOfKeyGroup = Array.from(
      { length: maxParallelism },
      (_, keyGroup) => channels[subtaskOfKeyGroup(keyGroup, channels.length, maxParallelism)] as OutputChannel,
    )
  }

  keyOf(value: unknown): Key {
    try {
      return this.#keySelector(value)
    } catch (error) {
      throw userFunctionError(error, this.#receiverName, 'the key selector')
    }
  }

  hashOf(key: Key): number {
    try {
      return hashKey(key)
    } catch (error) {
      throw keyError(error, this.#receiverName)
    }
  }

  channelOf(keyHash: number): OutputChannel {
    return this.#channelOfKeyGroup[keyGroupOf(keyHash, this.#maxParallelism)] as OutputChannel
  }
}

/** The hash is shipped with the record. */
class HashReceiver implements Receiver {
  readonly #keyed: KeyedChannels

  constructor(keyed: KeyedChannels) {
    this.#keyed = keyed
  }

  processElement(value: unknown, timestamp: number): void {
    const keyed = this.#keyed
    const hash = keyed.hashOf(keyed.keyOf(value))
    keyed.channelOf(hash).addHashed(value, timestamp, hash)
  }
}

function hashReceiverOf(keyed: KeyedChannels, { receiverTakesFailures }: EdgeOptions): Receiver {
  return receiverTakesFailures === true ? new ForgivingHashReceiver(keyed) : new HashReceiver(keyed)
}

/** A record without a key goes to whatever subtask: it asks the key selector again, and makes a dead letter of it. */
class ForgivingHashReceiver implements Receiver {
  readonly #keyed: KeyedChannels

  constructor(keyed: KeyedChannels) {
    this.#keyed = keyed
  }

  processElement(value: unknown, timestamp: number): void {
    const hash = this.#hashOrZero(value)
    this.#keyed.channelOf(hash).addHashed(value, timestamp, hash)
  }

  #hashOrZero(value: unknown): number {
    try {
      return this.#keyed.hashOf(this.#keyed.keyOf(value))
    } catch {
      return 0
    }
  }
}

/** The error of a key selector, or of what it gave. */
export function keyError(error: unknown, receiverName: string): MillraceError {
  if (isMillraceError(error) && error.code === 'MR_KEY') {
    return new MillraceError('MR_KEY', `the key selector of operator "${receiverName}": ${error.message}`, {
      cause: error,
      operator: receiverName,
    })
  }
  return userFunctionError(error, receiverName, 'the key selector')
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

/** Each record to a receiver of its own at random. A replay may choose others: what follows must not depend on the choice. */
class ShuffleReceiver implements Receiver {
  readonly #channels: readonly OutputChannel[]
  readonly #random: Random

  constructor(channels: readonly OutputChannel[], random: Random) {
    this.#channels = channels
    this.#random = random
  }

  processElement(value: unknown, timestamp: number): void {
    const channel = this.#channels[Math.floor(this.#random.next() * this.#channels.length)] as OutputChannel
    channel.add(value, timestamp)
  }
}

class CustomReceiver implements Receiver {
  readonly #partitioner: Extract<Partitioner, { readonly kind: 'custom' }>
  readonly #channels: readonly OutputChannel[]
  readonly #receiverName: string

  constructor(partitioner: Extract<Partitioner, { readonly kind: 'custom' }>, options: EdgeOptions) {
    this.#partitioner = partitioner
    this.#channels = options.channels
    this.#receiverName = options.receiverName
  }

  processElement(value: unknown, timestamp: number): void {
    this.#channelOf(value).add(value, timestamp)
  }

  #channelOf(value: unknown): OutputChannel {
    const { length } = this.#channels
    let partition: number
    try {
      partition = this.#partitioner.partition(this.#partitioner.keySelector(value), length)
    } catch (error) {
      throw userFunctionError(error, this.#receiverName, 'the partitioner')
    }
    const channel = Number.isInteger(partition) ? this.#channels[partition] : undefined
    if (channel !== undefined) return channel
    const wrong = new RangeError(`gave partition ${String(partition)} of ${length}: partitions are numbered from 0`)
    throw userFunctionError(wrong, this.#receiverName, 'the partitioner')
  }
}
