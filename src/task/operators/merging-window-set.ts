import type { TimeWindow } from '../../api/functions.ts'
import type { DataType } from '../../formats/data-type.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'
import type { PaneState } from '../../state/pane-state.ts'
import { type TouchedSessions, touchedSessions } from './session.ts'

/** A window of a key that has not ended, and the one that it had when its contents were first kept: they stay there. */
interface OpenWindow extends TimeWindow {
  readonly stateStart: number
  readonly stateEnd: number
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
      { name: 'stateEnd', type: time },
    ],
  },
}

/** All are in one namespace: they move with each record. */
const namespace = 0

/** What became of a window that was added. */
export interface MergedWindow {
  readonly window: TimeWindow
  /** Where the contents of `window` are kept. */
  readonly stateWindow: TimeWindow
  /** The windows that it came from, with where their contents are kept; none where it is new or has not grown. */
  readonly absorbed: readonly { readonly window: TimeWindow; readonly stateWindow: TimeWindow }[]
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
    const stateWindow = first === undefined ? window : stateWindowOf(first)
    const hasGrown = count > 1 || first === undefined || first.start !== start || first.end !== end
    if (hasGrown) {
      windows.splice(index, count, { start, end, stateStart: stateWindow.start, stateEnd: stateWindow.end })
      this.#windows.set(namespace, windows)
    }
    return { window, stateWindow, absorbed: hasGrown ? touched.map(absorbedOf) : [] }
  }

  /** Where the contents of a window of the current key are kept; undefined: it is none, or not any more. */
  stateWindow({ start, end }: TimeWindow): TimeWindow | undefined {
    const found = this.#windows.get(namespace)?.find((window) => window.start === start && window.end === end)
    return found === undefined ? undefined : stateWindowOf(found)
  }

  /** The window is over. */
  retire({ start, end }: TimeWindow): void {
    const windows = this.#windows.get(namespace) ?? []
    const left = windows.filter((window) => window.start !== start || window.end !== end)
    if (left.length === 0) this.#windows.removeEntry(namespace)
    else this.#windows.set(namespace, left)
  }
}

function stateWindowOf({ stateStart, stateEnd }: OpenWindow): TimeWindow {
  return { start: stateStart, end: stateEnd }
}

function absorbedOf(window: OpenWindow): MergedWindow['absorbed'][number] {
  return { window: { start: window.start, end: window.end }, stateWindow: stateWindowOf(window) }
}
