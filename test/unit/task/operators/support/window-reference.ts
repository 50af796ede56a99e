import type { EventTimeWindowAssigner } from '../../../../../src/graph/operator-spec.ts'

export interface Item {
  readonly id: number
  readonly key: string
  readonly amount: number
}

export type Step =
  | { readonly type: 'record'; readonly value: Item; readonly timestamp: number }
  | { readonly type: 'watermark'; readonly watermark: number }

export interface Firing {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly items: readonly Item[]
}

export interface Expected {
  /** By step. */
  readonly firings: readonly (readonly Firing[])[]
  readonly late: readonly Item[]
}

interface Placed {
  readonly item: Item
  readonly timestamp: number
}

/** The windows of the key's records that contain or make up each other: start, end, records in the order of arrival. */
interface Group {
  readonly start: number
  readonly end: number
  readonly placed: readonly Placed[]
}

/**
 * What windows give, said plainly: all records of a key are kept, and its windows are made anew from them at each step.
 * A window fires when the watermark passes its end − 1, and with each later record that it still takes.
 */
export function referenceWindows(
  assigner: EventTimeWindowAssigner,
  allowedLatenessMs: number,
  steps: readonly Step[],
): Expected {
  const kept = new Map<string, Placed[]>()
  const late: Item[] = []
  let watermark = Number.NEGATIVE_INFINITY
  const isOver = ({ end }: { readonly end: number }): boolean => end - 1 + allowedLatenessMs <= watermark
  const firings = steps.map((step) => {
    if (step.type === 'watermark') {
      const before = watermark
      watermark = Math.max(watermark, step.watermark)
      const due = [...kept].flatMap(([key, placed]) =>
        groupsOf(assigner, placed)
          .filter(({ end }) => end - 1 > before && end - 1 <= watermark)
          .map((group) => firing(key, group)),
      )
      // A session that is over takes its records with it: later ones can not join it.
      if (assigner.kind === 'session') {
        for (const [key, placed] of kept) {
          kept.set(
            key,
            groupsOf(assigner, placed)
              .filter((group) => !isOver(group))
              .flatMap((group) => group.placed),
          )
        }
      }
      return due
    }
    const { value, timestamp } = step
    const placed = kept.get(value.key) ?? []
    const together = [...placed, { item: value, timestamp }]
    const mine = groupsOf(assigner, together).filter((group) => group.placed.some(({ item }) => item === value))
    const open = mine.filter((group) => !isOver(group))
    if (open.length === 0) {
      if (timestamp + allowedLatenessMs <= watermark) late.push(value)
      return []
    }
    kept.set(value.key, together)
    return open.filter(({ end }) => end - 1 <= watermark).map((group) => firing(value.key, group))
  })
  return { firings, late }
}

function firing(key: string, { start, end, placed }: Group): Firing {
  return { key, start, end, items: placed.map(({ item }) => item) }
}

function groupsOf(assigner: EventTimeWindowAssigner, placed: readonly Placed[]): Group[] {
  if (assigner.kind === 'session') return sessionsOf(assigner.gapMs, placed)
  const slideMs = assigner.kind === 'sliding' ? assigner.slideMs : assigner.sizeMs
  const groups = new Map<number, Placed[]>()
  for (const one of placed) {
    // Window n is [n · slide + offset, n · slide + offset + size).
    const first = Math.floor((one.timestamp - assigner.offsetMs - assigner.sizeMs) / slideMs) + 1
    const last = Math.floor((one.timestamp - assigner.offsetMs) / slideMs)
    for (let n = first; n <= last; n++) {
      const start = n * slideMs + assigner.offsetMs
      groups.set(start, [...(groups.get(start) ?? []), one])
    }
  }
  return [...groups].map(([start, group]) => ({ start, end: start + assigner.sizeMs, placed: group }))
}

/** Sessionisation by sorting: a gap of more than `gapMs` between neighbours ends a session. */
function sessionsOf(gapMs: number, placed: readonly Placed[]): Group[] {
  const sorted = placed.toSorted((left, right) => left.timestamp - right.timestamp)
  const sessions: Placed[][] = []
  for (const one of sorted) {
    const previous = sessions.at(-1)
    const last = previous?.at(-1)
    if (previous === undefined || last === undefined || one.timestamp - last.timestamp > gapMs) sessions.push([one])
    else previous.push(one)
  }
  return sessions.map((session) => ({
    start: session[0]?.timestamp ?? 0,
    end: (session.at(-1)?.timestamp ?? 0) + gapMs,
    placed: session,
  }))
}
