import type { TimeWindow } from '../../api/functions.ts'
import type { DataType, DeclaredType } from '../../formats/data-type.ts'

/** One session of a key in state. */
export interface Session {
  start: number
  /** The last record's timestamp + gap, exclusive. */
  end: number
  contents: unknown
  /** When it is looked at next, in event time: not after it has to fire, or has fired and has to go. */
  deadline: number
}

/** The sessions of one key, none touching another, in the order of time. */
export type Sessions = Session[]

/** Declared contents give a declared type, so that savepoints can be read by their schema. */
export function sessionsType(contents: DataType<unknown>): DataType<Sessions> {
  if (contents.kind === 'untyped') return { kind: 'untyped' }
  const long: DeclaredType<unknown> = { kind: 'long' }
  return {
    kind: 'array',
    items: {
      kind: 'record',
      name: 'Session',
      fields: [
        { name: 'start', type: long },
        { name: 'end', type: long },
        { name: 'contents', type: contents as DeclaredType<unknown> },
        { name: 'deadline', type: long },
      ],
    },
  }
}

export interface TouchedSessions {
  /** Index of the first of `sessions` that the window touches, or where it belongs. */
  readonly index: number
  /** How many it touches: they become one session with it. */
  readonly count: number
  readonly start: number
  readonly end: number
}

/** Which sessions a record's window [start, end) becomes one with. Windows that only touch are merged, as in Flink. */
export function touchedSessions(sessions: readonly TimeWindow[], start: number, end: number): TouchedSessions {
  let index = 0
  while (index < sessions.length && (sessions[index] as TimeWindow).end < start) index++
  let last = index
  while (last < sessions.length && (sessions[last] as TimeWindow).start <= end) last++
  if (last === index) return { index, count: 0, start, end }
  return {
    index,
    count: last - index,
    start: Math.min(start, (sessions[index] as TimeWindow).start),
    end: Math.max(end, (sessions[last - 1] as TimeWindow).end),
  }
}
