import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Key, KeyedProcessFunction, OnTimerContext, TimerService } from '../../../../src/api/functions.ts'
import type { OperatorSpec } from '../../../../src/graph/operator-spec.ts'
import { disturbances, run } from './support/scenario.ts'

type TimeDomain = 'event-time' | 'processing-time'

interface Action {
  readonly domain: TimeDomain
  readonly deletes: boolean
  readonly at: number
}

interface Command {
  readonly key: string
  readonly actions: readonly Action[]
}

type Step =
  | { readonly type: 'record'; readonly command: Command; readonly timestamp: number }
  | { readonly type: 'watermark'; readonly watermark: number }
  | { readonly type: 'time'; readonly now: number }

interface Fired {
  readonly key: string
  readonly domain: TimeDomain
  readonly at: number
  readonly watermark: number
}

/** What a timer does when it fires, known to the function and to the model: some register or delete others of their key. */
function actionsOf({ domain, at }: { readonly domain: TimeDomain; readonly at: number }): readonly Action[] {
  switch (((at % 7) + 7) % 7) {
    case 0:
      return [{ domain, deletes: false, at: at + 3 }]
    case 1:
      return [{ domain, deletes: false, at: at - 4 }]
    case 2:
      return [{ domain, deletes: true, at: at + 1 }]
    case 3:
      return [{ domain: 'event-time', deletes: false, at: at + 2 }]
    default:
      return []
  }
}

function perform(actions: readonly Action[], timers: TimerService): void {
  for (const { domain, deletes, at } of actions) {
    if (domain === 'event-time') deletes ? timers.deleteEventTimeTimer(at) : timers.registerEventTimeTimer(at)
    else deletes ? timers.deleteProcessingTimeTimer(at) : timers.registerProcessingTimeTimer(at)
  }
}

const timers: KeyedProcessFunction<string, Command, Fired> = {
  processElement(command, context) {
    perform(command.actions, context.timers)
  },
  onTimer(timestamp, context: OnTimerContext<string>, out) {
    const { key, timeDomain: domain, currentWatermark: watermark } = context
    const fired = { key, domain, at: timestamp, watermark }
    out.collect(fired)
    perform(actionsOf(fired), context.timers)
  },
}

/** Timers said plainly: a set of timestamps for each key and domain; the lowest that is due fires next. */
class TimerModel {
  readonly #timers = new Map<string, Set<number>>()
  #watermark = Number.NEGATIVE_INFINITY

  apply(step: Step): Fired[] {
    switch (step.type) {
      case 'record':
        this.#perform(step.command.key, step.command.actions)
        return []
      case 'watermark':
        this.#watermark = step.watermark
        return this.#fireDue('event-time', step.watermark)
      case 'time':
        return this.#fireDue('processing-time', step.now)
    }
  }

  #perform(key: string, actions: readonly Action[]): void {
    for (const { domain, deletes, at } of actions) {
      const set = this.#timers.get(`${domain} ${key}`) ?? new Set()
      this.#timers.set(`${domain} ${key}`, set)
      if (deletes) set.delete(at)
      else set.add(at)
    }
  }

  #fireDue(domain: TimeDomain, time: number): Fired[] {
    const fired: Fired[] = []
    for (const name of [...this.#timers.keys()]) {
      if (!name.startsWith(domain)) continue
      const key = name.slice(domain.length + 1)
      const set = this.#timers.get(name) ?? new Set<number>()
      for (let at = Math.min(...set); at <= time && set.size > 0; at = Math.min(...set)) {
        set.delete(at)
        fired.push({ key, domain, at, watermark: this.#watermark })
        this.#perform(key, actionsOf({ domain, at }))
      }
    }
    return fired
  }
}

const action: fc.Arbitrary<Action & { readonly relative: boolean }> = fc.record({
  domain: fc.constantFrom<TimeDomain>('event-time', 'processing-time'),
  deletes: fc.boolean(),
  at: fc.integer({ min: -10, max: 25 }),
  relative: fc.constant(true),
})

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          type: fc.constant('record' as const),
          key: fc.constantFrom('a', 'b', 'c', 'd'),
          actions: fc.array(action, { minLength: 1, maxLength: 4 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ type: fc.constant('watermark' as const), by: fc.integer({ min: 0, max: 12 }) }),
      },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('time' as const), by: fc.integer({ min: 0, max: 12 }) }) },
    ),
    { minLength: 1, maxLength: 50 },
  )
  .map((moves) => {
    let now = -30
    return moves.map((move): Step => {
      if (move.type === 'record') {
        const actions = move.actions.map(({ domain, deletes, at }) => ({ domain, deletes, at: now + at }))
        return { type: 'record', command: { key: move.key, actions }, timestamp: now }
      }
      now += move.by
      return move.type === 'watermark' ? { type: 'watermark', watermark: now } : { type: 'time', now }
    })
  })

test('Timers of both domains fire once each, in the order of time for each key, as the model says, through restarts', async () => {
  const all = steps.chain((made) => fc.tuple(fc.constant(made), disturbances(made.length)))
  await fc.assert(
    fc.asyncProperty(all, async ([made, disturbed]) => {
      const outputs = await run<Step, Command, Fired>({
        spec: (): OperatorSpec => ({
          kind: 'keyedProcess',
          process: timers as KeyedProcessFunction<Key, unknown, unknown>,
        }),
        options: { keySelector: ({ key }) => key, maxFirings: 2, startTimeMs: -40 },
        steps: made,
        disturbed,
        apply: (group, step) => {
          if (step.type === 'record') group.processElement(step.command, step.timestamp)
          else if (step.type === 'watermark') group.processWatermark(step.watermark)
          else group.advanceProcessingTime(step.now)
        },
      })
      const model = new TimerModel()
      made.forEach((step, index) => {
        const expected = model.apply(step)
        const fired = (outputs[index]?.main ?? []).map(({ value }) => value)
        for (const key of ['a', 'b', 'c', 'd']) {
          expect(fired.filter((one) => one.key === key)).toEqual(expected.filter((one) => one.key === key))
        }
      })
    }),
    { numRuns: 300 },
  )
})
