import type { BroadcastProcessFunction, KeyedBroadcastProcessFunction } from '../api/broadcast-functions.ts'
import type { CoProcessFunction, KeyedCoProcessFunction } from '../api/co-functions.ts'
import type { Key, KeyedProcessFunction, OutputTag, ProcessFunction } from '../api/functions.ts'
import { MillraceError } from '../common/errors.ts'
import { checkpointId } from '../common/ids.ts'
import { hashKey } from '../common/key.ts'
import { keyGroupOf } from '../common/key-groups.ts'
import { endWatermark, noTimestamp } from '../common/timestamps.ts'
import type { BroadcastStateDescriptor, OperatorSpec } from '../graph/operator-spec.ts'
import type { BlobReference } from '../state/blob-store.ts'
import type { Operator, OperatorMetrics } from '../task/operator.ts'
import { createOperator } from '../task/operators/create-operator.ts'
import { turn } from '../task/turn.ts'
import { HarnessCheckpoint, type HarnessSnapshot } from './harness-checkpoint.ts'
import { type HarnessStart, harnessOperator, type OperatorHarnessOptions, startOf } from './harness-start.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** A record that an operator has put out. */
export interface HarnessRecord<T> {
  readonly value: T
  /** Epoch milliseconds; `noTimestamp` where it has none. */
  readonly timestamp: number
}

/**
 * Drives one operator, or one function, by hand: records, watermarks and processing time go in one after another, output
 * comes back in lists, and snapshots restore into new harnesses, at another parallelism too.
 * @example
 * ```ts
 * import { type KeyedProcessFunction, type ValueState, valueStateDescriptor } from 'millrace'
 * import { OperatorHarness } from 'millrace/testing'
 *
 * interface Click {
 *   readonly user: string
 * }
 *
 * // Tells how many clicks a user made in the minute after the first one.
 * function clicksInAMinute(): KeyedProcessFunction<string, Click, string> {
 *   let clicks: ValueState<number>
 *   return {
 *     open(context) {
 *       clicks = context.valueState(valueStateDescriptor<number>('clicks'))
 *     },
 *     processElement(_click, context) {
 *       const before = clicks.value() ?? 0
 *       if (before === 0) context.timers.registerEventTimeTimer(context.timestamp + 60_000)
 *       clicks.update(before + 1)
 *     },
 *     onTimer(_timestamp, context, out) {
 *       out.collect(`${context.key}: ${clicks.value()}`)
 *       clicks.clear()
 *     },
 *   }
 * }
 *
 * const harness = await OperatorHarness.keyedProcess(clicksInAMinute(), (click: Click) => click.user)
 * harness.processElement({ user: 'ada' }, 1_000)
 * harness.processElement({ user: 'ada' }, 2_000)
 * const snapshot = await harness.snapshot()
 *
 * const restored = await OperatorHarness.keyedProcess(clicksInAMinute(), (click: Click) => click.user, {
 *   restore: snapshot,
 * })
 * restored.processWatermark(61_000)
 * console.log(restored.output) // [{ value: 'ada: 2', timestamp: 61000 }]
 * ```
 */
export class OperatorHarness<In = unknown, Out = unknown, Second = never> {
  /** What the operator has put out so far. */
  readonly output: HarnessRecord<Out>[] = []
  readonly metrics: OperatorMetrics = { recordsIn: 0, recordsOut: 0, lateRecordsDropped: 0, deadLetters: 0 }
  readonly clock: VirtualClock
  /** @internal */
  readonly operator: Operator
  readonly #start: HarnessStart
  readonly #maxFirings: number
  readonly #sideOutputs = new Map<string, HarnessRecord<unknown>[]>()
  #watermark: number
  #lastCheckpoint: number
  #base: number

  private constructor(start: HarnessStart, options: OperatorHarnessOptions<In>) {
    this.#start = start
    this.#maxFirings = options.maxFirings ?? 500
    this.#watermark = start.watermark
    this.#lastCheckpoint = start.checkpointId
    this.#base = start.base
    this.clock = start.clock
    this.operator = this.#createOperator(options.autoWatermarkIntervalMs ?? 200)
    this.operator.open()
  }

  /** For a function of `process`. */
  static process<In, Out>(
    process: ProcessFunction<In, Out>,
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out>> {
    return OperatorHarness.of({ kind: 'process', process }, options)
  }

  /** For a function of `process` on a keyed stream. */
  static keyedProcess<K extends Key, In, Out>(
    process: KeyedProcessFunction<K, In, Out>,
    keySelector: (value: In) => K,
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out>> {
    const erased = process as KeyedProcessFunction<Key, unknown, unknown>
    return OperatorHarness.of({ kind: 'keyedProcess', process: erased }, { ...options, keySelector })
  }

  /** For a function of `connect(…).process`; `processElement` is its first input, `processElement2` its second. */
  static coProcess<In, Second, Out>(
    process: CoProcessFunction<In, Second, Out>,
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out, Second>> {
    return OperatorHarness.of(
      { kind: 'coProcess', process: process as CoProcessFunction<unknown, unknown, unknown> },
      options,
    )
  }

  /** For a function of `process` on connected keyed streams. */
  static keyedCoProcess<K extends Key, In, Second, Out>(
    process: KeyedCoProcessFunction<K, In, Second, Out>,
    keySelectors: readonly [first: (value: In) => K, second: (value: Second) => K],
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out, Second>> {
    const [keySelector, second] = keySelectors
    const erased = process as unknown as KeyedCoProcessFunction<Key, unknown, unknown, unknown>
    const secondKeySelector = second as (value: unknown) => Key
    return OperatorHarness.of(
      { kind: 'keyedCoProcess', process: erased, secondKeySelector },
      { ...options, keySelector },
    )
  }

  /** For a function of a stream connected to a broadcast one, with the states of `broadcast(…)`; `processElement2` is the broadcast side. */
  static broadcastProcess<In, Second, Out>(
    process: BroadcastProcessFunction<In, Second, Out>,
    states: readonly BroadcastStateDescriptor[],
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out, Second>> {
    const erased = process as BroadcastProcessFunction<unknown, unknown, unknown>
    return OperatorHarness.of({ kind: 'broadcastProcess', process: erased, states }, options)
  }

  /** For a function of a keyed stream connected to a broadcast one; `processElement2` is the broadcast side. */
  static keyedBroadcastProcess<K extends Key, In, Second, Out>(
    process: KeyedBroadcastProcessFunction<K, In, Second, Out>,
    states: readonly BroadcastStateDescriptor[],
    options: OperatorHarnessOptions<In> & { readonly keySelector: (value: In) => K },
  ): Promise<OperatorHarness<In, Out, Second>> {
    const erased = process as unknown as KeyedBroadcastProcessFunction<Key, unknown, unknown, unknown>
    return OperatorHarness.of({ kind: 'keyedBroadcastProcess', process: erased, states }, options)
  }

  /**
   * For any operator but a source.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the restored state does not fit the operator
   */
  static async of<In, Out, Second = never>(
    spec: OperatorSpec,
    options: OperatorHarnessOptions<In> = {},
  ): Promise<OperatorHarness<In, Out, Second>> {
    return new OperatorHarness<In, Out, Second>(await startOf(spec, options), options)
  }

  /** The watermark that operators after this one see. */
  get watermark(): number {
    return this.operator.generated?.watermark ?? this.#watermark
  }

  /** What has gone to a side output so far. */
  sideOutput<T>(tag: OutputTag<T>): readonly HarnessRecord<T>[] {
    return (this.#sideOutputs.get(tag.id) ?? []) as readonly HarnessRecord<T>[]
  }

  /** Whether this subtask is the one that gets records of the key. */
  owns(key: Key): boolean {
    const { keyGroups, maxParallelism } = this.#start
    const keyGroup = keyGroupOf(hashKey(key), maxParallelism)
    return keyGroup >= keyGroups.from && keyGroup < keyGroups.to
  }

  /**
   * @param timestamp epoch milliseconds; left out, the record has none
   * @throws MillraceError MR_USER_FUNCTION where the function throws
   */
  processElement(value: In, timestamp: number = noTimestamp): void {
    this.operator.processElement(value, timestamp)
  }

  /** The same for the second input of an operator that has two. */
  processElement2(value: Second, timestamp: number = noTimestamp): void {
    const { secondInput } = this.operator
    if (secondInput === undefined) throw new MillraceError('MR_TEST', 'the operator has one input')
    secondInput.processElement(value, timestamp)
  }

  /** No record with a timestamp up to `watermark` follows: event-time timers and windows fire. */
  processWatermark(watermark: number): void {
    while (!this.operator.advanceWatermark(watermark, this.#maxFirings)) {
      // Each call is one slice of the step.
    }
    this.#watermark = Math.max(this.#watermark, watermark)
  }

  /** Moves the wall clock, epoch milliseconds: processing-time timers fire, each when it is due. */
  advanceProcessingTime(nowMs: number): void {
    for (let due = this.operator.nextProcessingTime(); due <= nowMs; due = this.operator.nextProcessingTime()) {
      this.clock.advanceTo(due)
      while (!this.operator.advanceProcessingTime(this.clock.now(), this.#maxFirings)) {
        // Each call is one slice of the turn.
      }
    }
    this.clock.advanceTo(nowMs)
  }

  /**
   * Lets asynchronous functions go on until nothing more comes of them at this moment of the harness's clock, and puts
   * their results out. What they wait for has to go by that clock, or by promises alone.
   * @throws MillraceError MR_USER_FUNCTION, MR_ASYNC_TIMEOUT where one of them has failed
   */
  async settled(): Promise<void> {
    const { asynchronous } = this.operator
    if (asynchronous === undefined) return
    do {
      await turn()
      while (asynchronous.ready) asynchronous.emit(this.#maxFirings)
      await turn()
    } while (asynchronous.ready)
  }

  /**
   * The input ends: the last watermark, then the function's `close`.
   * @throws MillraceError MR_TEST where asynchronous functions are still in flight: wait for them by `settled`
   */
  endInput(): void {
    this.processWatermark(endWatermark)
    if (this.operator.asynchronous?.drained === false) {
      throw new MillraceError('MR_TEST', 'records are still in flight: await settled() before endInput()')
    }
    this.operator.endInput()
  }

  /** A checkpoint that completes at once. */
  snapshot(): Promise<HarnessSnapshot> {
    return this.beginCheckpoint().complete()
  }

  /** The barrier of a checkpoint; what comes of it is up to the caller. */
  beginCheckpoint(): HarnessCheckpoint {
    const { snapshots } = this.#start
    const id = ++this.#lastCheckpoint
    const barrier = { id: checkpointId(id), base: checkpointId(this.#base), kind: 'checkpoint' } as const
    const snapshot = this.operator.snapshot(barrier)
    return new HarnessCheckpoint(id, snapshots.begin(barrier, [{ uid: harnessOperator, snapshot }]), {
      completed: (manifest) => this.#completed(id, manifest),
      aborted: () => snapshots.checkpointAborted(id),
    })
  }

  close(): Promise<void> {
    return this.operator.dispose()
  }

  async #completed(id: number, manifest: BlobReference): Promise<HarnessSnapshot> {
    const { snapshots, subtaskIndex, parallelism, maxParallelism, storage } = this.#start
    this.#base = id
    snapshots.checkpointCompleted(id)
    await this.operator.checkpointCompleted(id)
    return { checkpointId: id, subtaskIndex, parallelism, maxParallelism, manifest, storage }
  }

  #createOperator(autoWatermarkIntervalMs: number): Operator {
    const start = this.#start
    return createOperator(start.spec, {
      operatorName: harnessOperator,
      operatorUid: harnessOperator,
      attemptId: start.attemptId,
      subtaskIndex: start.subtaskIndex,
      parallelism: start.parallelism,
      maxParallelism: start.maxParallelism,
      clock: this.clock,
      checkpointing: undefined,
      jobName: 'harness',
      transactionalIds: { mark: 16, request: () => {} },
      autoWatermarkIntervalMs,
      output: { processElement: (value, timestamp) => this.output.push({ value: value as Out, timestamp }) },
      sideOutput: (tagId) => ({
        processElement: (value, timestamp) => this.#sideOutputOf(tagId).push({ value, timestamp }),
      }),
      keySelector: start.keySelector,
      keyedState: start.keyedState,
      operatorState: start.operatorState,
      restoredCommittables: start.committables,
      restoredWatermark: start.watermark,
      metrics: this.metrics,
      wake: () => {},
      fail: (error) => {
        throw error
      },
    })
  }

  #sideOutputOf(tagId: string): HarnessRecord<unknown>[] {
    const records = this.#sideOutputs.get(tagId) ?? []
    this.#sideOutputs.set(tagId, records)
    return records
  }
}
