import { MillraceError } from '../common/errors.ts'
import type { Clock } from '../common/ports.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { InputChannel } from './input-channel.ts'
import { InputGate } from './input-gate.ts'
import type { InputReceiver } from './operator.ts'
import { userFunctionError } from './operators/user-function-error.ts'
import type { RecordBatch } from './record-batch.ts'
import { recordText } from './record-text.ts'
import type { InputEvent, TaskInput } from './task-input.ts'
import { WindowPartial } from './window-partial.ts'

export interface GateInputOptions {
  readonly channels: readonly InputChannel[]
  readonly mode: 'exactly-once' | 'at-least-once'
  readonly clock: Clock
  /** What each channel feeds: the first operator of the chain, or its second input. */
  readonly receivers: readonly GateReceiver[]
  readonly headName: string
}

/** Where the records of a channel go. */
export interface GateReceiver {
  readonly input: InputReceiver
  /** Of the keyed stream that the input reads, for messages. */
  readonly keySelector: ((value: unknown) => unknown) | undefined
}

const progress: InputEvent = { type: 'progress' }

/** Feeds the chain from the input channels. */
export class GateInput implements TaskInput {
  readonly #gate: InputGate
  readonly #receivers: readonly GateReceiver[]
  readonly #headName: string
  readonly nextDeadline = Number.POSITIVE_INFINITY
  recordsIn = 0

  constructor(options: GateInputOptions) {
    this.#gate = new InputGate(options.channels, options.mode, options.clock)
    this.#receivers = options.receivers
    this.#headName = options.headName
  }

  get watermark(): number {
    return this.#gate.watermark
  }

  poll(takesRecords = true): InputEvent {
    const event = this.#gate.poll(takesRecords)
    if (event.type !== 'records') return event
    const { batch, channel } = event
    const receiver = this.#receivers[channel] as GateReceiver
    this.recordsIn += batch.count
    if (batch.columns !== undefined) receiver.input.processColumns?.(batch.columns, batch.count)
    else if (batch.keyHashes !== undefined && receiver.input.processHashedElement !== undefined) {
      this.#processHashed(batch, batch.keyHashes, receiver)
    } else this.#process(batch, receiver)
    this.#gate.giveBack()
    return progress
  }

  /** Idleness behind a gate is the senders' matter, and that of the operators that make watermarks of their own. */
  advanceActiveTime(): void {}

  trigger(barrier: CheckpointBarrier): void {
    this.#gate.trigger(barrier)
  }

  aborted(checkpointId: number): void {
    this.#gate.aborted(checkpointId)
  }

  async close(): Promise<void> {
    this.#gate.close()
  }

  #process(batch: RecordBatch, receiver: GateReceiver): void {
    const { values, timestamps, count } = batch
    const { input } = receiver
    let at = 0
    try {
      for (; at < count; at++) input.processElement(values[at], timestamps[at] as number)
    } catch (error) {
      throw this.#withRecord(error, values[at], receiver)
    }
  }

  #processHashed(batch: RecordBatch, keyHashes: Int32Array, receiver: GateReceiver): void {
    const { values, timestamps, count } = batch
    const { input } = receiver
    let at = 0
    try {
      for (; at < count; at++)
        input.processHashedElement?.(values[at], timestamps[at] as number, keyHashes[at] as number)
    } catch (error) {
      throw this.#withRecord(error, values[at], receiver)
    }
  }

  /** Behind an exchange nobody knows the record's place: it is named by its key and its JSON. */
  #withRecord(error: unknown, value: unknown, { keySelector }: GateReceiver): MillraceError {
    const wrapped = userFunctionError(error, this.#headName, 'the operator')
    const key = keyText(value, keySelector)
    return new MillraceError(wrapped.code, `${wrapped.message}; the record${key} is ${recordText(value)}`, {
      cause: wrapped.cause ?? error,
      ...(wrapped.operator === undefined ? {} : { operator: wrapped.operator }),
    })
  }
}

function keyText(value: unknown, keySelector: GateReceiver['keySelector']): string {
  if (keySelector === undefined) return ''
  const key = value instanceof WindowPartial ? value.key : keyOf(keySelector, value)
  return ` of key ${recordText(key)}`
}

function keyOf(keySelector: (value: unknown) => unknown, value: unknown): unknown {
  try {
    return keySelector(value)
  } catch (error) {
    return `(${String(error)})`
  }
}
