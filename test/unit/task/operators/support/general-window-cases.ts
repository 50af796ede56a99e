import fc from 'fast-check'
import { CountEvictor, DeltaEvictor, type Evictor, TimeEvictor } from '../../../../../src/api/evictors.ts'
import {
  ContinuousEventTimeTrigger,
  ContinuousProcessingTimeTrigger,
  CountTrigger,
  DeltaTrigger,
  EventTimeTrigger,
  NeverTrigger,
  ProcessingTimeTrigger,
  PurgingTrigger,
  type Trigger,
} from '../../../../../src/api/triggers.ts'
import { triggerOf } from '../../../../../src/api/window-settings.ts'
import type { WindowAssigner } from '../../../../../src/graph/operator-spec.ts'
import {
  type EvictorCase,
  type GeneralCase,
  type GeneralStep,
  gapOfId,
  type TriggerCase,
} from './general-window-reference.ts'
import { computations, assigners as eventTimeAssigners, idOf, type Kept, keys } from './window-computations.ts'
import type { Item } from './window-reference.ts'

const gapOf = (record: unknown): number => gapOfId(idOf(record as Item | Kept) ?? 0)
const dynamic = (timeDomain: 'event-time' | 'processing-time'): fc.Arbitrary<WindowAssigner> =>
  fc.constant({ kind: 'dynamicSession', timeDomain, gapOf })

export const assigners: Readonly<Record<string, fc.Arbitrary<WindowAssigner>>> = {
  ...eventTimeAssigners,
  'dynamic session': dynamic('event-time'),
  ...Object.fromEntries(
    Object.entries(eventTimeAssigners).map(([kind, arbitrary]) => [
      `processing-time ${kind}`,
      arbitrary.map((windows) => ({ kind: 'processingTime' as const, windows })),
    ]),
  ),
  'processing-time dynamic session': dynamic('processing-time'),
  global: fc.constant({ kind: 'global' }),
}

export const triggerCases: fc.Arbitrary<TriggerCase> = fc.oneof(
  fc.record({ kind: fc.constantFrom('default' as const, 'eventTime' as const, 'never' as const) }),
  fc.record({ kind: fc.constant('count' as const), maxCount: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constantFrom('continuousEventTime' as const, 'continuousProcessingTime' as const),
    intervalMs: fc.integer({ min: 1, max: 15 }),
  }),
  fc.record({ kind: fc.constant('delta' as const), threshold: fc.integer({ min: 0, max: 12 }) }),
)

export const evictorCases: fc.Arbitrary<EvictorCase | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({
    kind: fc.constant('count' as const),
    maxCount: fc.integer({ min: 0, max: 4 }),
    doEvictAfter: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('time' as const),
    windowSizeMs: fc.integer({ min: 0, max: 12 }),
    doEvictAfter: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('delta' as const),
    threshold: fc.integer({ min: 0, max: 12 }),
    doEvictAfter: fc.boolean(),
  }),
  fc.constant({ kind: 'custom' as const }),
)

export function triggerFor({ assigner, trigger, purging }: GeneralCase): Trigger<unknown> | undefined {
  const made = madeTrigger(trigger)
  if (made === undefined && !purging) return undefined
  const usual = triggerOf({ assigner, trigger: made, evictor: keepAll }, computations[0]?.compute as never)
  return purging ? PurgingTrigger.of(usual as Trigger<unknown>) : made
}

function madeTrigger(trigger: TriggerCase): Trigger<unknown> | undefined {
  switch (trigger.kind) {
    case 'default':
      return undefined
    case 'eventTime':
      return EventTimeTrigger.create()
    case 'processingTime':
      return ProcessingTimeTrigger.create()
    case 'never':
      return NeverTrigger.create()
    case 'count':
      return CountTrigger.of(trigger.maxCount)
    case 'continuousEventTime':
      return ContinuousEventTimeTrigger.of(trigger.intervalMs)
    case 'continuousProcessingTime':
      return ContinuousProcessingTimeTrigger.of(trigger.intervalMs)
    case 'delta':
      return DeltaTrigger.of<unknown>(trigger.threshold, (from, to) => idFrom(to) - idFrom(from))
    default: {
      const never: never = trigger
      throw new TypeError(String(never))
    }
  }
}

const keepAll: Evictor<unknown> = { evictBefore: (elements) => elements, evictAfter: (elements) => elements }

export function evictorFor(evictor: EvictorCase | undefined): Evictor<unknown> | undefined {
  if (evictor === undefined) return undefined
  switch (evictor.kind) {
    case 'count':
      return CountEvictor.of(evictor.maxCount, evictor)
    case 'time':
      return TimeEvictor.of(evictor.windowSizeMs, evictor)
    case 'delta':
      return DeltaEvictor.of<unknown>(evictor.threshold, (record, last) => idFrom(last) - idFrom(record), evictor)
    case 'custom':
      return {
        evictBefore: (elements) => elements.filter(({ value }) => idFrom(value) % 2 === 0),
        evictAfter: (elements) => elements.slice(-2),
      }
    default: {
      const never: never = evictor
      throw new TypeError(String(never))
    }
  }
}

const idFrom = (record: unknown): number => idOf(record as Item | Kept) ?? 0

/** Records around an event time that moves on, some far behind it, while the clock goes its own way. */
export const steps: fc.Arbitrary<GeneralStep[]> = fc
  .array(
    fc.record({
      type: fc.constantFrom('record', 'record', 'record', 'record', 'watermark', 'clock'),
      tick: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 9 })),
      key: fc.constantFrom(...keys.slice(0, 3)),
      delay: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 60 })),
      advance: fc.integer({ min: 0, max: 6 }),
      lag: fc.integer({ min: 0, max: 8 }),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((moves) => {
    let now = 0
    let eventTime = -20
    const made = moves.map(({ type, tick, key, delay, advance, lag }, id): GeneralStep => {
      now += tick
      if (type === 'clock') return { type, now }
      if (type === 'watermark') return { type, now, watermark: eventTime - lag }
      eventTime += advance
      return { type: 'record', now, value: { id, key, amount: id }, timestamp: eventTime - delay }
    })
    return [...made, { type: 'clock', now: now + 30 }, { type: 'watermark', now: now + 30, watermark: Infinity }]
  })
