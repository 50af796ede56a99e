import fc from 'fast-check'
import {
  EventTimeSessionWindows,
  type KeyedBroadcastProcessFunction,
  type KeyedCoProcessFunction,
  type MapState,
  mapStateDescriptor,
  SlidingEventTimeWindows,
  TumblingEventTimeWindows,
} from 'millrace'
import { expect, test } from 'vitest'
import { type Event, events, restarts, runRestarted, splits } from './support/restarted-run.ts'

/** `MILLRACE_RANDOM_JOBS=1000 npx vitest run …`: a long run by hand. */
const { MILLRACE_RANDOM_JOBS } = process.env
const byHand = MILLRACE_RANDOM_JOBS !== undefined
const parameters: fc.Parameters<unknown> = byHand
  ? { numRuns: Number(MILLRACE_RANDOM_JOBS) }
  : { numRuns: 15, interruptAfterTimeLimit: 2500 }
const limitMs = byHand ? 3_600_000 : 30_000

const endOf = (at: number): number => Math.floor(at / 50) * 50 + 50

interface Counts {
  readonly first: number
  readonly second: number
}

/** Counts the records of both streams in windows of its own, by timers. */
function counted(): KeyedCoProcessFunction<number, Event, Event, string> {
  let counts: MapState<number, Counts>
  const add = (at: number, { first, second }: Counts): void => {
    const before = counts.get(endOf(at)) ?? { first: 0, second: 0 }
    counts.put(endOf(at), { first: before.first + first, second: before.second + second })
  }
  return {
    open(context) {
      counts = context.mapState(mapStateDescriptor<number, Counts>('counts'))
    },
    processElement1(_event, context) {
      add(context.timestamp, { first: 1, second: 0 })
      context.timers.registerEventTimeTimer(endOf(context.timestamp) - 1)
    },
    processElement2(_event, context) {
      add(context.timestamp, { first: 0, second: 1 })
      context.timers.registerEventTimeTimer(endOf(context.timestamp) - 1)
    },
    onTimer(timestamp, context, out) {
      const of = counts.get(timestamp + 1)
      counts.remove(timestamp + 1)
      out.collect(`${context.key} ${timestamp + 1}: ${of?.first} ${of?.second}`)
    },
  }
}

test(
  'a keyed co-process function counts both streams right through a crash and at another parallelism',
  async () => {
    await fc.assert(
      fc.asyncProperty(splits('a'), splits('b'), restarts, async (left, right, restart) => {
        const got = await runRestarted(
          (env) =>
            events(env, 'a', left)
              .connect(events(env, 'b', right))
              .keyBy(
                ({ key }) => key,
                ({ key }) => key,
              )
              .process(counted()),
          restart,
        )
        const expected = new Map<string, { first: number; second: number }>()
        const count = (list: readonly Event[], which: 'first' | 'second'): void => {
          for (const { key, at } of list) {
            const window = `${key} ${endOf(at)}`
            const counts = expected.get(window) ?? { first: 0, second: 0 }
            counts[which]++
            expected.set(window, counts)
          }
        }
        count(left.flat(), 'first')
        count(right.flat(), 'second')
        const lines = Array.from(expected, ([window, { first, second }]) => `${window}: ${first} ${second}`)
        expect(got).toEqual(lines.toSorted())
      }),
      parameters,
    )
  },
  limitMs,
)

const rules = mapStateDescriptor<string, number>('rules')

/** Tells for each key and window how many rules held at its end: event time says which have come by then. */
function rulesHeld(): KeyedBroadcastProcessFunction<number, Event, Event, string> {
  return {
    processElement(_event, context) {
      context.timers.registerEventTimeTimer(endOf(context.timestamp) - 1)
    },
    processBroadcastElement(rule, context) {
      context.broadcastState(rules).put(rule.id, rule.at)
    },
    onTimer(timestamp, context, out) {
      const held = [...context.broadcastState(rules).values()].filter((at) => at <= timestamp)
      out.collect(`${context.key} ${timestamp + 1}: ${held.length}`)
    },
  }
}

test(
  'broadcast state is the same in every subtask through a crash and at another parallelism',
  async () => {
    await fc.assert(
      fc.asyncProperty(splits('a'), splits('b'), restarts, async (left, right, restart) => {
        const got = await runRestarted(
          (env) =>
            events(env, 'a', left)
              .keyBy(({ key }) => key)
              .connect(events(env, 'b', right).broadcast(rules))
              .process(rulesHeld()),
          restart,
        )
        const windows = new Set(left.flat().map(({ key, at }) => `${key} ${endOf(at)}`))
        const lines = [...windows].map((window) => {
          const end = Number(window.split(' ')[1])
          return `${window}: ${right.flat().filter(({ at }) => at < end).length}`
        })
        expect(got).toEqual(lines.toSorted())
      }),
      parameters,
    )
  },
  limitMs,
)

const assigners = fc.constantFrom(
  { name: 'tumbling', of: () => TumblingEventTimeWindows.of(50, 7) },
  { name: 'sliding', of: () => SlidingEventTimeWindows.of(60, 20) },
  { name: 'session', of: () => EventTimeSessionWindows.withGap(15) },
)

/** The windows of all records of one key, each with its records. */
function windowsOf(name: string, list: readonly Event[]): readonly (readonly Event[])[] {
  if (name === 'session') {
    const sorted = list.toSorted((one, other) => one.at - other.at)
    const sessions: Event[][] = []
    for (const event of sorted) {
      const last = sessions.at(-1)
      if (last !== undefined && event.at - (last.at(-1)?.at ?? 0) <= 15) last.push(event)
      else sessions.push([event])
    }
    return sessions
  }
  const [size, slide, offset] = name === 'tumbling' ? [50, 50, 7] : [60, 20, 0]
  const windows = new Map<number, Event[]>()
  for (const event of list) {
    const last = Math.floor((event.at - offset) / slide) * slide + offset
    for (let start = last; start > event.at - size; start -= slide) {
      windows.set(start, [...(windows.get(start) ?? []), event])
    }
  }
  return [...windows.values()]
}

test(
  'window joins and coGroups give every pair and every group once',
  async () => {
    await fc.assert(
      fc.asyncProperty(splits('a'), splits('b'), restarts, assigners, async (left, right, restart, assigner) => {
        const got = await runRestarted((env) => {
          const lefts = events(env, 'a', left)
          const rights = events(env, 'b', right)
          const pairs = lefts
            .join(rights)
            .where(({ key }) => key)
            .equalTo(({ key }) => key)
            .window(assigner.of())
            .apply((one, other) => `${one.id} ${other.id}`)
          const groups = lefts
            .coGroup(rights)
            .where(({ key }) => key)
            .equalTo(({ key }) => key)
            .window(assigner.of())
            .apply<string>({
              coGroup: (ones, others, out) =>
                out.collect(`${ones.map(({ id }) => id).toSorted()} | ${others.map(({ id }) => id).toSorted()}`),
            })
          return pairs.union(groups)
        }, restart)
        const lines: string[] = []
        for (let key = 0; key <= 4; key++) {
          const ofKey = [...left.flat(), ...right.flat()].filter((event) => event.key === key)
          for (const window of windowsOf(assigner.name, ofKey)) {
            const ones = window.filter(({ id }) => id.startsWith('a')).map(({ id }) => id)
            const others = window.filter(({ id }) => id.startsWith('b')).map(({ id }) => id)
            for (const one of ones) for (const other of others) lines.push(`${one} ${other}`)
            lines.push(`${ones.toSorted()} | ${others.toSorted()}`)
          }
        }
        expect(got).toEqual(lines.toSorted())
      }),
      parameters,
    )
  },
  limitMs,
)

test(
  'an interval join gives every pair within its bounds once',
  async () => {
    const bounds = fc.record({
      lower: fc.integer({ min: -60, max: 40 }),
      length: fc.nat(60),
      lowerExclusive: fc.boolean(),
      upperExclusive: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(splits('a'), splits('b'), restarts, bounds, async (left, right, restart, bound) => {
        const upper = bound.lower + bound.length + 2
        const got = await runRestarted((env) => {
          const byKey = ({ key }: Event): number => key
          let joined = events(env, 'a', left)
            .keyBy(byKey)
            .intervalJoin(events(env, 'b', right).keyBy(byKey))
            .between(bound.lower, upper)
          if (bound.lowerExclusive) joined = joined.lowerBoundExclusive()
          if (bound.upperExclusive) joined = joined.upperBoundExclusive()
          return joined.process<string>({
            processElement: (one, other, context, out) => out.collect(`${one.id} ${other.id} ${context.timestamp}`),
          })
        }, restart)
        const isWithin = (distance: number): boolean =>
          (bound.lowerExclusive ? distance > bound.lower : distance >= bound.lower) &&
          (bound.upperExclusive ? distance < upper : distance <= upper)
        const lines = left.flat().flatMap((one) =>
          right
            .flat()
            .filter((other) => other.key === one.key && isWithin(other.at - one.at))
            .map((other) => `${one.id} ${other.id} ${Math.max(one.at, other.at)}`),
        )
        expect(got).toEqual(lines.toSorted())
      }),
      parameters,
    )
  },
  limitMs,
)
