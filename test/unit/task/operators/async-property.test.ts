import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AsyncContext } from '../../../../src/api/async-functions.ts'
import { endWatermark } from '../../../../src/common/timestamps.ts'
import type { AsyncSpec } from '../../../../src/graph/async-spec.ts'
import { turn } from '../../../../src/task/turn.ts'
import type { HarnessSnapshot } from '../../../../src/testing/harness-checkpoint.ts'
import { OperatorHarness } from '../../../../src/testing/operator-harness.ts'
import type { VirtualClock } from '../../../../src/testing/virtual-clock.ts'

type Mode = AsyncSpec['mode']

/** What happens to one subtask; a record takes as long, and fails as often before it succeeds. */
type Action =
  | { readonly does: 'record'; readonly latencyMs: number; readonly failures: number }
  | { readonly does: 'watermark' }
  | { readonly does: 'wait'; readonly durationMs: number }

interface Item {
  readonly id: string
  readonly latencyMs: number
  readonly failures: number
}

type Logged = { readonly id: string; readonly timestamp: number } | { readonly watermark: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('record' as const), latencyMs: fc.nat(30), failures: fc.nat(2) }),
  },
  { weight: 2, arbitrary: fc.constant({ does: 'watermark' as const }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('wait' as const), durationMs: fc.nat(20) }) },
)

/** One subtask, and what came out of it in order. */
class Subtask {
  readonly log: Logged[] = []
  readonly harness: OperatorHarness<Item, string>
  #watermark: number

  private constructor(harness: OperatorHarness<Item, string>) {
    this.harness = harness
    this.#watermark = harness.operator.generated?.watermark ?? Number.NaN
  }

  static async of(
    mode: Mode,
    capacity: number,
    place: { readonly subtaskIndex: number; readonly parallelism: number; readonly restore?: HarnessSnapshot[] },
  ): Promise<Subtask> {
    // What was restored is called before the harness is there.
    const { promise: clock, resolve: clockIsThere } = Promise.withResolvers<VirtualClock>()
    const invoke = async (value: unknown, { attempt }: AsyncContext): Promise<readonly string[]> => {
      const { id, latencyMs, failures } = value as Item
      const running = await clock
      await new Promise<void>((resolve) => running.schedule(latencyMs, resolve))
      if (attempt <= failures) throw new Error('not yet')
      return [id, `${id}'`]
    }
    const harness = await OperatorHarness.of<Item, string>(
      {
        kind: 'async',
        mode,
        invoke,
        capacity,
        timeoutMs: 10_000,
        retry: {
          maxAttempts: 3,
          backoff: { type: 'exponential', initialDelayMs: 3, maxDelayMs: 5, multiplier: 2 },
          retryOn: undefined,
          retryOnResults: undefined,
        },
        onTimeout: undefined,
      },
      place,
    )
    clockIsThere(harness.clock)
    return new Subtask(harness)
  }

  /** What is ready goes out, as the chain does it: each watermark before anything else. */
  async pump(): Promise<void> {
    const { asynchronous, generated } = this.harness.operator
    for (let quiet = 0; quiet < 2; quiet++) {
      await turn()
      while (asynchronous?.ready) {
        asynchronous.emit(3)
        this.note(generated?.watermark)
        quiet = 0
      }
    }
  }

  note(watermark = this.harness.operator.generated?.watermark): void {
    for (const { value, timestamp } of this.harness.output.splice(0)) this.log.push({ id: value, timestamp })
    if (watermark === undefined || watermark === this.#watermark) return
    this.#watermark = watermark
    this.log.push({ watermark })
  }

  async wait(durationMs: number): Promise<void> {
    const { clock } = this.harness
    const target = clock.now() + durationMs
    for (;;) {
      await this.pump()
      if (clock.nextDueMs > target) break
      clock.advanceTo(clock.nextDueMs)
    }
    clock.advanceTo(target)
    await this.pump()
  }
}

/** What goes in: records carry a timestamp above the last watermark, each watermark is 10 above the one before. */
class Input {
  readonly log: Logged[] = []
  readonly #name: string
  #watermark = 0
  #next = 0

  constructor(name: string) {
    this.#name = name
  }

  async run(subtask: Subtask, actions: readonly Action[]): Promise<void> {
    for (const one of actions) {
      if (one.does === 'wait') await subtask.wait(one.durationMs)
      else if (one.does === 'watermark') {
        this.#watermark += 10
        this.log.push({ watermark: this.#watermark })
        subtask.harness.processWatermark(this.#watermark)
      } else {
        const id = `${this.#name}${this.#next++}`
        const timestamp = this.#watermark + 1 + (this.#next % 5)
        this.log.push({ id, timestamp }, { id: `${id}'`, timestamp })
        subtask.harness.processElement({ id, latencyMs: one.latencyMs, failures: one.failures }, timestamp)
      }
      await subtask.pump()
      subtask.note()
    }
  }

  async end(subtask: Subtask): Promise<void> {
    this.log.push({ watermark: endWatermark })
    subtask.harness.processWatermark(endWatermark)
    await subtask.wait(100_000)
    subtask.note()
    subtask.harness.endInput()
  }
}

/** Between two watermarks the order does not count. */
function normalised(log: readonly Logged[]): unknown[] {
  const segments: unknown[] = []
  let ids: string[] = []
  for (const entry of log) {
    if ('id' in entry) ids.push(`${entry.id}@${entry.timestamp}`)
    else {
      segments.push(ids.sort(), entry.watermark)
      ids = []
    }
  }
  return [...segments, ids.sort()]
}

/** Of watermarks with nothing between them only the last one counts: a checkpoint keeps no others. */
function expected(mode: Mode, log: readonly Logged[]): unknown {
  const counted = log.filter((entry, index) => 'id' in entry || !('watermark' in (log[index + 1] ?? {})))
  return mode === 'ordered' ? counted : normalised(counted)
}

test.each<Mode>(['ordered', 'unordered'])(
  'Results come out %s with their watermarks, as the reference says, with retries and a restart in the middle.',
  async (mode) => {
    const actions = fc.array(action, { maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), actions, actions, async (capacity, before, after) => {
        const place = { subtaskIndex: 0, parallelism: 1 }
        const input = new Input('a')
        const first = await Subtask.of(mode, capacity, place)
        await input.run(first, before)
        const restore = [await first.harness.snapshot()]
        const second = await Subtask.of(mode, capacity, { ...place, restore })
        await second.pump()
        second.note()
        await input.run(second, after)
        await input.end(second)
        expect(expected(mode, [...first.log, ...second.log])).toEqual(expected(mode, input.log))
      }),
      { numRuns: 60 },
    )
  },
)

test.each<Mode>(['ordered', 'unordered'])(
  'At another parallelism each record comes out once %s, and none behind a watermark that came after it.',
  async (mode) => {
    const parallelism = fc.integer({ min: 1, max: 3 })
    const inputs = fc.array(fc.array(action, { maxLength: 15 }), { minLength: 3, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(parallelism, parallelism, inputs, async (before, after, actions) => {
        const old = await subtasksOf(mode, before)
        const log: Logged[] = []
        for (const [index, subtask] of old.entries()) {
          const input = new Input('abc'[index] ?? '')
          await input.run(subtask, actions[index] ?? [])
          log.push(...input.log)
        }
        const restore = await Promise.all(old.map(({ harness }) => harness.snapshot()))
        const restored = await subtasksOf(mode, after, restore)
        for (const subtask of restored) await new Input('').end(subtask)
        const out = [...old, ...restored].map((subtask) => subtask.log)
        expect(idsOf(out.flat()).toSorted()).toEqual(idsOf(log).toSorted())
        for (const one of restored) expectNoneLate(one.log)
        if (mode === 'ordered') for (const one of out) expectOrdered(one)
      }),
      { numRuns: 40 },
    )
  },
)

function subtasksOf(mode: Mode, parallelism: number, restore?: HarnessSnapshot[]): Promise<Subtask[]> {
  return Promise.all(
    Array.from({ length: parallelism }, (_, subtaskIndex) =>
      Subtask.of(mode, 4, { subtaskIndex, parallelism, ...(restore === undefined ? {} : { restore }) }),
    ),
  )
}

function idsOf(log: readonly Logged[]): string[] {
  return log.flatMap((entry) => ('id' in entry ? [entry.id] : []))
}

function expectNoneLate(log: readonly Logged[]): void {
  let watermark = Number.NEGATIVE_INFINITY
  for (const entry of log) {
    if ('watermark' in entry) watermark = entry.watermark
    else expect(entry.timestamp).toBeGreaterThan(watermark)
  }
}

/** Of each old subtask: numbers go up. */
function expectOrdered(log: readonly Logged[]): void {
  for (const name of 'abc') {
    const numbers = idsOf(log)
      .filter((id) => id.startsWith(name) && !id.endsWith("'"))
      .map((id) => Number(id.slice(1)))
    expect(numbers).toEqual(numbers.toSorted((left, right) => left - right))
  }
}
