import type { DataType } from '../formats/data-type.ts'
import type { Serializer } from '../formats/serializer.ts'
import { StateSerializer } from './state-serializer.ts'
import { Stamped, StampedList, type TimeToLive } from './time-to-live.ts'

/** Reads the values of restored pieces. */
export interface ValueReader {
  readonly fingerprint: string
  /** Whether the pieces are as the state writes them now; else it is written anew, whole. */
  readonly isCurrent: boolean
  /** The stored value; undefined: it has expired (R8). */
  decode(bytes: Uint8Array, start: number, end: number): unknown
}

export interface ReadableState {
  readonly type: DataType<unknown>
  readonly isList: boolean
  readonly timeToLive: TimeToLive | undefined
  /** Of what the state writes. */
  readonly serializer: Serializer<unknown>
}

/** A state is read as it was written before its time to live was switched on or off, too: nothing of it gets lost. */
export function valueReadersOf({ type, isList, timeToLive, serializer }: ReadableState): readonly ValueReader[] {
  const other = new StateSerializer(type, {
    stateName: '',
    operatorName: '',
    stamped: timeToLive === undefined ? stampedShape(isList) : undefined,
  })
  if (timeToLive === undefined) {
    return [
      readerOf(serializer, true, (value) => value),
      readerOf(other, false, (value) =>
        value instanceof StampedList ? value.items : (value as Stamped<unknown>).value,
      ),
    ]
  }
  return [
    readerOf(serializer, true, (value) => timeToLive.unexpired(value)),
    readerOf(other, false, (value) => {
      const now = timeToLive.nowMs()
      return isList
        ? new StampedList(
            (value as unknown[]).map(() => now),
            value as unknown[],
          )
        : new Stamped(now, value)
    }),
  ]
}

export function stampedShape(isList: boolean): 'list' | 'value' {
  return isList ? 'list' : 'value'
}

function readerOf(
  serializer: Serializer<unknown>,
  isCurrent: boolean,
  storedOf: (value: unknown) => unknown,
): ValueReader {
  return {
    fingerprint: serializer.fingerprint,
    isCurrent,
    decode: (bytes, start, end) => storedOf(serializer.decode(bytes, start, end)),
  }
}
