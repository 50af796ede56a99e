import type { Duration } from '../common/duration.ts'
import type { IntervalJoinSpec } from '../graph/operator-spec.ts'
import type { ProcessJoinFunction } from './co-functions.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { declaredFunctions, declaredSignedDurationMs, definitionError } from './declaration.ts'
import type { Key, KeySelector, OutputTag } from './functions.ts'
import { checkBothKeyed, checkSameJob, type StreamInput } from './stream-input.ts'

/** Two keyed streams whose records are to be joined by key and time. Made by `intervalJoin`. */
export class IntervalJoin<Left, Right, K extends Key> {
  readonly #left: StreamInput
  readonly #right: StreamInput
  /** Carries the types of the records and the key. */
  declare protected readonly types: [Left, Right, K]

  /** @internal Comes from `intervalJoin`. */
  constructor(left: StreamInput, right: StreamInput) {
    checkSameJob(left, right, 'intervalJoin')
    checkBothKeyed(left, right, 'intervalJoin')
    this.#left = left
    this.#right = right
  }

  /**
   * Joins a left record with each right one of its key whose time is from `lower` to `upper` after its own, both
   * included; negative ones are before it: `between('-5s', '1s')`.
   * @throws MillraceError MR_JOB_DEFINITION where they are no durations
   */
  between(lower: Duration, upper: Duration): IntervalJoined<Left, Right, K> {
    return new IntervalJoined(this.#left, this.#right, {
      lowerBoundMs: declaredSignedDurationMs(lower, 'between', 'lower'),
      upperBoundMs: declaredSignedDurationMs(upper, 'between', 'upper'),
      lowerExclusive: false,
      upperExclusive: false,
      leftLateTag: undefined,
      rightLateTag: undefined,
    })
  }
}

interface IntervalSettings extends Pick<IntervalJoinSpec, 'lowerBoundMs' | 'upperBoundMs'> {
  readonly lowerExclusive: boolean
  readonly upperExclusive: boolean
  readonly leftLateTag: OutputTag<unknown> | undefined
  readonly rightLateTag: OutputTag<unknown> | undefined
}

/**
 * An interval join, in event time, by whole milliseconds. A record is kept until the watermark says that no partner can
 * come; one that is itself behind the watermark is late: it is joined with nothing.
 */
export class IntervalJoined<Left, Right, K extends Key> {
  readonly #left: StreamInput
  readonly #right: StreamInput
  readonly #settings: IntervalSettings
  /** Carries the types of the records and the key. */
  declare protected readonly types: [Left, Right, K]

  /** @internal Comes from `between`. */
  constructor(left: StreamInput, right: StreamInput, settings: IntervalSettings) {
    this.#left = left
    this.#right = right
    this.#settings = settings
  }

  /** Leaves out pairs whose distance is just the lower bound. */
  lowerBoundExclusive(): IntervalJoined<Left, Right, K> {
    return this.#with({ lowerExclusive: true })
  }

  /** Leaves out pairs whose distance is just the upper bound. */
  upperBoundExclusive(): IntervalJoined<Left, Right, K> {
    return this.#with({ upperExclusive: true })
  }

  /** Late records of the left stream go to this side output; without it they are counted and dropped. */
  sideOutputLeftLateData(tag: OutputTag<Left>): IntervalJoined<Left, Right, K> {
    return this.#with({ leftLateTag: tag })
  }

  /** Late records of the right stream go to this side output; without it they are counted and dropped. */
  sideOutputRightLateData(tag: OutputTag<Right>): IntervalJoined<Left, Right, K> {
    return this.#with({ rightLateTag: tag })
  }

  /**
   * What is made of each pair. It carries the later timestamp of both.
   * @throws MillraceError MR_JOB_DEFINITION where the bounds leave nothing between them
   * @example
   * ```ts
   * import { job, type Sink, WatermarkStrategy } from 'millrace'
   *
   * declare const sink: Sink<{ campaign: string; delayMs: number }>
   * export default job('clicks-after-views', (env) => {
   *   const inOrder = WatermarkStrategy.forMonotonousTimestamps()
   *   const strategy = inOrder.withTimestamps((event: { at: number }) => event.at)
   *   const view = { user: 'ada', campaign: 'a', at: 0 }
   *   const click = { user: 'ada', campaign: 'a', at: 9 }
   *   const views = env.fromCollection([view]).name('views').assignTimestampsAndWatermarks(strategy)
   *   const clicks = env.fromCollection([click]).name('clicks').assignTimestampsAndWatermarks(strategy)
   *   views
   *     .keyBy((view) => [view.user, view.campaign])
   *     .intervalJoin(clicks.keyBy((click) => [click.user, click.campaign]))
   *     .between(0, '10min')
   *     .process<{ campaign: string; delayMs: number }>({
   *       processElement: (view, click, _context, out) =>
   *         out.collect({ campaign: view.campaign, delayMs: click.at - view.at }),
   *     })
   *     .sinkTo(sink)
   * })
   * ```
   */
  process<Out>(process: ProcessJoinFunction<Left, Right, Out>): SingleOutputStreamOperator<Out> {
    declaredFunctions(process, 'intervalJoin', { needed: ['processElement'], others: [] })
    const { lowerExclusive, upperExclusive, leftLateTag, rightLateTag } = this.#settings
    const lowerBoundMs = this.#settings.lowerBoundMs + (lowerExclusive ? 1 : 0)
    const upperBoundMs = this.#settings.upperBoundMs - (upperExclusive ? 1 : 0)
    if (lowerBoundMs > upperBoundMs) {
      const bounds = `from ${lowerBoundMs} ms to ${upperBoundMs} ms`
      throw definitionError('intervalJoin', `no time is between its bounds (${bounds}): lower has to be at most upper`)
    }
    return this.#left.addWith(
      this.#right,
      {
        kind: 'intervalJoin',
        lowerBoundMs,
        upperBoundMs,
        process: process as ProcessJoinFunction<unknown, unknown, unknown>,
        secondKeySelector: this.#right.keySelector as KeySelector<unknown, Key>,
        leftType: this.#left.type(),
        rightType: this.#right.type(),
        leftLateTag,
        rightLateTag,
      },
      'Interval Join',
    )
  }

  #with(changes: Partial<IntervalSettings>): IntervalJoined<Left, Right, K> {
    return new IntervalJoined(this.#left, this.#right, { ...this.#settings, ...changes })
  }
}
