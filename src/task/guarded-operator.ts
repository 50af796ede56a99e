import type { Key } from '../api/functions.ts'
import type { SourceRecord } from '../api/source.ts'
import { isMillraceError } from '../common/errors.ts'
import { hashKey } from '../common/key.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { DeadLetterOutput, Undeliverable } from './dead-letter-output.ts'
import { HeldOutputs } from './held-outputs.ts'
import type {
  AsynchronousResults,
  GeneratedWatermarks,
  InputReceiver,
  Operator,
  OperatorContext,
  OperatorSnapshot,
  Receiver,
} from './operator.ts'
import { jsonText } from './record-text.ts'

type KeyOf = (value: unknown) => Key

/**
 * An operator with a dead-letter output. Of a record that fails nothing is emitted: its results are held back until it has
 * succeeded. That also keeps errors of later operators apart, which are none of this one's. Operators without such an
 * output are not wrapped, and pay nothing.
 */
export class GuardedOperator implements Operator {
  readonly secondInput?: InputReceiver
  readonly generated?: GeneratedWatermarks
  readonly asynchronous?: AsynchronousResults
  readonly commitAtEnd?: () => Promise<void>
  readonly #operator: Operator
  readonly #outputs: HeldOutputs
  readonly #deadLetters: DeadLetterOutput
  readonly #context: OperatorContext
  readonly #sourceRecord: () => SourceRecord | undefined

  constructor(options: {
    readonly context: OperatorContext
    readonly deadLetters: DeadLetterOutput
    /** Of the second of two keyed inputs. */
    readonly secondKeySelector: KeyOf | undefined
    /** The record that the source of this task is emitting. */
    sourceRecord(): SourceRecord | undefined
    createOperator(context: OperatorContext): Operator
  }) {
    const { context, deadLetters } = options
    const outputs = new HeldOutputs()
    const operator = options.createOperator({
      ...context,
      output: outputs.receiver(context.output),
      sideOutput: (tagId) => {
        const receiver = context.sideOutput(tagId)
        return receiver === undefined ? undefined : outputs.receiver(receiver)
      },
      deadLetters,
    })
    this.#operator = operator
    this.#outputs = outputs
    this.#deadLetters = deadLetters
    this.#context = context
    this.#sourceRecord = () => options.sourceRecord()
    const { secondInput } = operator
    if (secondInput !== undefined) {
      this.secondInput = {
        processElement: (value, timestamp) => this.#process(secondInput, options.secondKeySelector, value, timestamp),
      }
    }
    if (operator.generated !== undefined) this.generated = operator.generated
    if (operator.asynchronous !== undefined) this.asynchronous = operator.asynchronous
    if (operator.commitAtEnd !== undefined) this.commitAtEnd = () => operator.commitAtEnd?.() ?? Promise.resolve()
  }

  get writable(): boolean {
    return this.#operator.writable
  }

  processElement(value: unknown, timestamp: number): void {
    this.#process(this.#operator, this.#context.keySelector, value, timestamp)
  }

  open(): void {
    this.#operator.open()
  }

  advanceWatermark(watermark: number, maxFirings: number): boolean {
    return this.#fire(() => this.#operator.advanceWatermark(watermark, maxFirings))
  }

  advanceProcessingTime(now: number, maxFirings: number): boolean {
    return this.#fire(() => this.#operator.advanceProcessingTime(now, maxFirings))
  }

  nextProcessingTime(): number {
    return this.#operator.nextProcessingTime()
  }

  endInput(): void {
    this.#operator.endInput()
  }

  snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return this.#operator.snapshot(barrier)
  }

  checkpointCompleted(id: number): Promise<void> {
    return this.#operator.checkpointCompleted(id)
  }

  transactionalIdsGranted(mark: number): void {
    this.#operator.transactionalIdsGranted?.(mark)
  }

  checkpointsEnded(newest: number): void {
    this.#operator.checkpointsEnded?.(newest)
  }

  async fenceTransactions(transactionalIds: readonly string[]): Promise<void> {
    await this.#operator.fenceTransactions?.(transactionalIds)
  }

  abandon(): void {
    this.#operator.abandon?.()
  }

  dispose(): Promise<void> {
    return this.#operator.dispose()
  }

  #process(receiver: Receiver, keySelector: KeyOf | undefined, value: unknown, timestamp: number): void {
    this.#deadLetters.records++
    this.#outputs.hold()
    try {
      receiver.processElement(value, timestamp)
    } catch (error) {
      this.#outputs.drop()
      this.#deadLetters.take(error, () => this.#undeliverable(value, timestamp, keySelector))
      return
    }
    this.#outputs.release()
  }

  /**
   * Timers and windows that are due. Each is taken out before it fires, so the next call goes on behind one that has
   * thrown; what it had emitted before stays.
   */
  #fire(advance: () => boolean): boolean {
    let done = false
    this.#outputs.hold()
    try {
      done = advance()
    } catch (error) {
      this.#outputs.release()
      this.#deadLetters.take(error, () => this.#undeliverableTimer(error))
    }
    this.#outputs.release()
    return done
  }

  #undeliverable(value: unknown, timestamp: number, keySelector: KeyOf | undefined): Undeliverable {
    return {
      record: jsonText(value),
      recordKey: keySelector === undefined ? null : keyText(keySelector, value),
      timestamp,
      origin: this.#sourceRecord(),
    }
  }

  #undeliverableTimer(error: unknown): Undeliverable {
    const { keyedState } = this.#context
    const hasKey = keyedState !== undefined && isMillraceError(error)
    return {
      record: null,
      recordKey: hasKey ? jsonText(keyedState.currentKey) : null,
      timestamp: Number.NEGATIVE_INFINITY,
      origin: undefined,
    }
  }
}

/** Null where the selector throws, or gives what can be no key. */
function keyText(keySelector: KeyOf, value: unknown): string | null {
  try {
    const key = keySelector(value)
    hashKey(key)
    return jsonText(key)
  } catch {
    return null
  }
}
