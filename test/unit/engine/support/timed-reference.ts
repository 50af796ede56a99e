import fc from 'fast-check'
import type { EventTimeWindowAssigner } from 'millrace'
import { type Firing, referenceWindows, type Step } from '../../task/operators/support/window-reference.ts'
import { groupOf, type Item, joined, type KeyKind, short } from './item.ts'

export interface Timed {
  readonly item: Item
  readonly at: number
}

/** Joins of joins grow: what would take long is left out. */
export function checkSize(records: readonly Timed[]): readonly Timed[] {
  fc.pre(records.length <= 1000)
  return records
}

export interface WindowOfKey {
  readonly key: KeyKind
  readonly assigner: EventTimeWindowAssigner
  readonly allowedLatenessMs: number
}

/** Windows where nothing is late: all records come, then the last watermark. Items are named by their index. */
export function firingsOf(
  records: readonly Timed[],
  { key, assigner, allowedLatenessMs }: WindowOfKey,
): readonly Firing[] {
  discardTouchingSessions(records, { key, assigner })
  const steps: Step[] = records.map(({ item, at }, id) => ({
    type: 'record',
    value: { id, key: `${groupOf(key, item)}`, amount: item.amount },
    timestamp: at,
  }))
  steps.push({ type: 'watermark', watermark: Number.POSITIVE_INFINITY })
  return referenceWindows(assigner, allowedLatenessMs, steps).firings.flat()
}

/**
 * A session and a record that begins where it ends become one (as in Flink), unless the watermark has reached the end of
 * the session before the record came: which of both happens is anybody's in a stream of several splits.
 */
function discardTouchingSessions(
  records: readonly Timed[],
  { key, assigner }: Pick<WindowOfKey, 'key' | 'assigner'>,
): void {
  if (assigner.kind !== 'session') return
  for (const group of Map.groupBy(records, ({ item }) => groupOf(key, item)).values()) {
    const times = group.map(({ at }) => at).toSorted((left, right) => left - right)
    fc.pre(times.every((time, index) => index === 0 || time - (times[index - 1] as number) !== assigner.gapMs))
  }
}

interface TimersShape {
  readonly name: string
  readonly key: KeyKind
  readonly sizeMs: number
}

/** Tumbling windows by timers: what lies before a timer of its key goes out with it. */
export function timersOf(records: readonly Timed[], { name, key, sizeMs }: TimersShape): readonly Timed[] {
  return timerFirings(records, { key, sizeMs }).map(({ group, timer, items }) => {
    const amount = items.reduce((sum, item) => sum + item.amount, 0)
    const id = short(`${name} ${timer} ${items.length} ${joined(items.map((item) => item.id))}`)
    return { item: { id, key: group, amount }, at: timer }
  })
}

interface TimerFiring {
  readonly group: number
  readonly timer: number
  readonly items: readonly Item[]
}

export function timerFirings(
  records: readonly Timed[],
  { key, sizeMs }: Pick<TimersShape, 'key' | 'sizeMs'>,
): readonly TimerFiring[] {
  const groups = Map.groupBy(records, ({ item, at }) => `${groupOf(key, item)} ${Math.floor(at / sizeMs) + 1}`)
  return [...groups].map(([text, timed]) => {
    const [group, end] = text.split(' ').map(Number) as [number, number]
    return { group, timer: end * sizeMs, items: timed.map(({ item }) => item) }
  })
}
