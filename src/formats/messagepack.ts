import { Packr, RESET_BUFFER_MODE, Unpackr } from 'msgpackr'
import { MillraceError } from '../common/errors.ts'
import { damaged } from './avro-primitives.ts'
import { isPlainObject, plainDataProblem } from './check-value.ts'

/*
 * Untyped values as MessagePack, by msgpackr. Records are on (an object's field names are written once in a call of
 * pack), nothing is shared between calls, so each result can be read alone. Dates, Maps, Sets, bigints, typed arrays,
 * regular expressions and errors survive; undefined too. Lone surrogates in strings become U+FFFD, −0 becomes 0, and a
 * field named __proto__ (JSON.parse makes one) comes back as __proto_, so that no record sets a prototype.
 */
const options = { moreTypes: true, useBigIntExtension: true, copyBuffers: true, useToJSON: false } as const

/** Plain data to bytes. One instance serves one thread. */
export class MessagePackWriter {
  readonly #packr: Packr

  constructor() {
    this.#packr = new Packr({ ...options, useRecords: refuseInstance, writeFunction: refuseFunction })
  }

  /**
   * The bytes of a value, valid until the next call of any writer of this thread.
   * @throws MillraceError MR_STATE_TYPE, naming the field, for class instances, functions, symbols and cycles (R39)
   */
  pack(value: unknown): Uint8Array {
    try {
      return this.#packr.pack(value, RESET_BUFFER_MODE)
    } catch (error) {
      const problem = plainDataProblem(value, '') ?? `the value can not be stored: ${String(error)}`
      throw new MillraceError('MR_STATE_TYPE', problem, { cause: error })
    }
  }
}

/** msgpackr asks this of each object that it would write as a record. */
function refuseInstance(value: object): boolean {
  if (!isPlainObject(value)) throw new TypeError('class instance')
  return true
}

function refuseFunction(): never {
  throw new TypeError('function')
}

/** Bytes of MessagePackWriter to plain data. Nothing in the result aliases the bytes. */
export class MessagePackReader {
  readonly #unpackr = new Unpackr({ ...options, useRecords: true })

  /** @throws RangeError where the bytes are no such data */
  unpack(bytes: Uint8Array, start: number, end: number): unknown {
    try {
      return this.#unpackr.unpack(bytes, { start, end })
    } catch (error) {
      throw damaged(error)
    }
  }
}
