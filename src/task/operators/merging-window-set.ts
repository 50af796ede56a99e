import type { TimeWindow } from '../../api/functions.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { PaneState } from '../../state/pane-state.ts'
import { type TouchedSessions, touchedSessions } from './session.ts'

/**
 * A window of a key that has not ended, and the start of the one that it was when its contents were first kept: they stay
 * there. Windows of a key never overlap, and so the starts that they have had are different too.
 */
interface OpenWindow extends TimeWindow {
  readonly stateStart: number
}

const time = { kind: 'double' } as const
const openWindowsType: DataType<OpenWindow[]> = {
  kind: 'array',
  items: {
    kind: 'record',
    name: 'OpenWindow',
    fields: [
      { name: 'start', type: time },
      { name: 'end', type: time },
      { name: 'stateStart', type: time },
    ],
  },
}

/** All are in one namespace: they move with each record. */
const namespace = 0

/** What became of a window that was added. */
export interface MergedWindow {
  readonly window: TimeWindow
  /** Where its contents are kept. */
  readonly place: number
  /** The windows that it came from, and where their contents are kept; none where it is new or has not grown. */
  readonly absorbed: readonly { readonly window: TimeWindow; readonly place: number }[]
}

/** The open windows of each key, none touching another, in the order of time: Flink's MergingWindowSet. */
export class MergingWindowSet {
  readonly #windows: PaneState<OpenWindow[]>

  constructor(keyedState: KeyedStateBackend) {
    this.#windows = keyedState.panes('$merging-windows', { type: openWindowsType })
  }

  /** Which windows of the current key a new one becomes one with; nothing changes yet. */
  touched({ start, end }: TimeWindow): TouchedSessions {
    return touchedSessions(this.#windows.get(namespace) ?? [], start, end)
  }

  add({ index, count, start, end }: TouchedSessions): MergedWindow {
    const windows = this.#windows.get(namespace) ?? []
    const window = { start, end }
    const touched = windows.slice(index, index + count)
    const [first] = touched
    const place = first?.stateStart ?? start
    const hasGrown = count > 1 || first === undefined || first.start !== start || first.end !== end
    if (hasGrown) {
      windows.splice(index, count, { start, end, stateStart: place })
      this.#windows.set(namespace, windows)
    }
    return { window, place, absorbed: hasGrown ? touched.map(absorbedOf) : [] }
  }

  /** Where the contents of a window of the current key are kept; undefined: it is none, or not any more. */
  placeOf({ start, end }: TimeWindow): number | undefined {
    return this.#windows.get(namespace)?.find((window) => window.start === start && window.end === end)?.stateStart
  }

  /** The window is over. */
  retire({ start, end }: TimeWindow): void {
    const windows = this.#windows.get(namespace) ?? []
    const left = windows.filter((window) => window.start !== start || window.end !== end)
    if (left.length === 0) this.#windows.removeEntry(namespace)
    else this.#windows.set(namespace, left)
  }
}

function absorbedOf({ start, end, stateStart }: OpenWindow): MergedWindow['absorbed'][number] {
  return { window: { start, end }, place: stateStart }
}
