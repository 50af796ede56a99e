import type { Key } from '../../api/functions.ts'
import { MillraceError } from '../../common/errors.ts'
import { hashKey } from '../../common/key.ts'
import type { WindowSpec } from '../../graph/operator-spec.ts'
import type { CheckpointBarrier } from '../../state/checkpoint-record.ts'
import { detachedKey, ownedKey } from '../../state/current-key.ts'
import type { PaneState } from '../../state/pane-state.ts'
import type { OperatorContext, OperatorSnapshot } from '../operator.ts'
import { WindowPartial } from '../window-partial.ts'
import { type Deadline, DeadlineHeap } from './deadline-heap.ts'
import { KeySelection } from './key-selection.ts'
import { assertTimestamp, LateRecords } from './late-records.ts'
import { OperatorBase } from './operator-base.ts'
import { type Session, type Sessions, sessionsType, type TouchedSessions, touchedSessions } from './session.ts'
import { userFunctionError } from './user-function-error.ts'
import { cleanupTime } from './window-assignment.ts'
import { type WindowContents, windowContentsOf } from './window-contents.ts'
import { sessionLayout } from './window-layout.ts'
import { WindowResults } from './window-results.ts'

/** All sessions are in one namespace: their ends move with each record, so panes by end would move too. */
const namespace = 0

/** In place of the contents of a session that is not there yet: contents may be anything, undefined too. */
const nothing = Symbol('nothing')

interface Growth {
  readonly sessions: Sessions
  readonly touched: TouchedSessions
}

/**
 * Session windows. The sessions of a key are one entry of keyed state, changed in place as they grow. Each has a
 * deadline in a heap, which is only moved when it is reached and the session has grown meanwhile.
 */
export class SessionWindowOperator extends OperatorBase {
  readonly #gapMs: number
  readonly #allowedLatenessMs: number
  readonly #contents: WindowContents
  readonly #keys: KeySelection
  readonly #sessions: PaneState<Sessions>
  readonly #results: WindowResults
  readonly #late: LateRecords
  readonly #deadlines = new DeadlineHeap()

  constructor(spec: WindowSpec, gapMs: number, context: OperatorContext) {
    super(context)
    const { compute } = spec
    if (compute.kind === 'aggregate' && compute.aggregate.merge === undefined) {
      throw new MillraceError(
        'MR_JOB_DEFINITION',
        `operator "${context.operatorName}": the aggregate of a session window needs merge(), since sessions grow together`,
        { operator: context.operatorName },
      )
    }
    this.#gapMs = gapMs
    this.#allowedLatenessMs = spec.allowedLatenessMs
    this.#contents = windowContentsOf(compute)
    this.#keys = new KeySelection(context)
    this.#sessions = this.#keys.keyedState.panes(sessionLayout, { type: sessionsType(this.#contents.type) })
    this.#results = new WindowResults(compute, this.#contents, context, undefined)
    this.#late = new LateRecords(spec.lateTag, context)
  }

  /** The heap is made again from what was restored. */
  override open(): void {
    for (const cursor = this.#sessions.cursor(namespace); cursor.next(); ) {
      const { key } = cursor
      const keyHash = hashKey(key)
      for (const { deadline } of cursor.value) this.#deadlines.push({ time: deadline, key, keyHash })
    }
  }

  processElement(value: unknown, timestamp: number): void {
    assertTimestamp(timestamp, this.operatorName)
    this.#addToSessions(this.#keys.select(value), value, timestamp)
  }

  processHashedElement(value: unknown, timestamp: number, keyHash: number): void {
    if (value instanceof WindowPartial) {
      this.#addPartial(value, keyHash)
      return
    }
    assertTimestamp(timestamp, this.operatorName)
    this.#addToSessions(this.#keys.selectHashed(value, keyHash), value, timestamp)
  }

  override advanceWatermark(watermark: number, maxFirings: number): boolean {
    super.advanceWatermark(watermark, maxFirings)
    this.#results.currentWatermark = this.currentWatermark
    for (let budget = maxFirings; this.#deadlines.earliest <= this.currentWatermark; budget--) {
      const deadline = budget > 0 ? this.#deadlines.pop() : undefined
      if (deadline === undefined) return this.#deadlines.size === 0
      this.#reach(deadline)
    }
    return true
  }

  override snapshot(barrier: CheckpointBarrier): OperatorSnapshot {
    return {
      keyed: this.#keys.keyedState.snapshot(barrier),
      operatorState: undefined,
      committables: undefined,
      watermark: this.currentWatermark,
    }
  }

  #addToSessions(key: Key, value: unknown, timestamp: number): void {
    this.metrics.recordsIn++
    const time = Math.floor(timestamp)
    const sessions = this.#sessions.get(namespace) ?? []
    const touched = touchedSessions(sessions, time, time + this.#gapMs)
    if (this.#isOver(touched)) this.#late.take(value, timestamp)
    else this.#grow(key, { sessions, touched }, (contents) => this.#contentsWith(contents, value))
  }

  /** What a sender has combined of a part of a session (R34). */
  #addPartial({ key, start, end, count, contents: partial }: WindowPartial, keyHash: number): void {
    this.metrics.recordsIn += count
    this.#keys.keyedState.setCurrentKey(key, keyHash)
    const sessions = this.#sessions.get(namespace) ?? []
    const touched = touchedSessions(sessions, start, end)
    if (this.#isOver(touched)) this.metrics.lateRecordsDropped += count
    else {
      this.#grow(key, { sessions, touched }, (contents) =>
        contents === nothing ? partial : this.#contents.merge(contents, partial),
      )
    }
  }

  /** Judged by the session that it becomes part of: a record that is late by itself may belong to a live session. */
  #isOver({ end }: TouchedSessions): boolean {
    return cleanupTime(end, this.#allowedLatenessMs) <= this.currentWatermark
  }

  #contentsWith(contents: unknown, value: unknown): unknown {
    return contents === nothing ? this.#contents.first(value) : this.#contents.add(contents, value)
  }

  /** `add` puts what has come to the contents of the one session that the touched ones become, or to `nothing`. */
  #grow(key: Key, { sessions, touched }: Growth, add: (contents: unknown) => unknown): void {
    let session: Session
    try {
      session = this.#merge(sessions, touched, add)
    } catch (error) {
      throw userFunctionError(error, this.operatorName, 'the window function')
    }
    this.#scheduleAfterRecord(session, key)
    this.#sessions.set(namespace, sessions)
    if (session.end - 1 <= this.currentWatermark) this.#results.emit(key, windowOf(session), session.contents, true)
  }

  /** Makes one session of those that are touched, and adds to it. */
  #merge(
    sessions: Sessions,
    { index, count, start, end }: TouchedSessions,
    add: (contents: unknown) => unknown,
  ): Session {
    const first = sessions[index]
    if (count === 0 || first === undefined) {
      const contents = add(nothing)
      const session = { start, end, contents, deadline: Number.POSITIVE_INFINITY }
      sessions.splice(index, 0, session)
      return session
    }
    // Nothing is changed before the functions have succeeded.
    let { contents } = first
    for (const other of sessions.slice(index + 1, index + count)) {
      contents = this.#contents.merge(contents, other.contents)
    }
    first.contents = add(contents)
    sessions.splice(index + 1, count - 1)
    first.start = start
    first.end = end
    return first
  }

  /** A session that has grown keeps its earlier deadline: moving it then is cheaper than with each record. */
  #scheduleAfterRecord(session: Session, key: Key): void {
    const fired = session.end - 1 <= this.currentWatermark
    const needed = fired ? cleanupTime(session.end, this.#allowedLatenessMs) : session.end - 1
    if (needed < session.deadline) this.#schedule(session, needed, { key: ownedKey(key), keyHash: hashKey(key) })
  }

  #schedule(session: Session, time: number, { key, keyHash }: Pick<Deadline, 'key' | 'keyHash'>): void {
    session.deadline = time
    this.#deadlines.push({ time, key, keyHash })
  }

  /** One entry of the heap: fires, moves or removes the sessions of its key that have this deadline. */
  #reach(deadline: Deadline): void {
    this.#keys.keyedState.setCurrentKey(deadline.key, deadline.keyHash)
    const sessions = this.#sessions.get(namespace)
    const due = sessions?.filter((session) => session.deadline === deadline.time) ?? []
    // None: its session was merged into one with an earlier deadline, or another entry of the same time has done it.
    if (sessions === undefined || due.length === 0) return
    // One at most: sessions of a key do not overlap. It fires when all else is done, so that nothing is left half done
    // where its function throws and the record goes to the dead letters.
    const firing = due.find((session) => deadline.time === session.end - 1)
    for (const session of due) {
      if (!this.#reachSession(session, deadline)) sessions.splice(sessions.indexOf(session), 1)
    }
    if (sessions.length === 0) this.#sessions.removeEntry(namespace)
    else this.#sessions.set(namespace, sessions)
    if (firing === undefined) return
    const retained = cleanupTime(firing.end, this.#allowedLatenessMs) > firing.end - 1
    this.#results.emit(detachedKey(deadline.key), windowOf(firing), firing.contents, retained)
  }

  /** False: the session is over. A deadline is not after the time to fire, so one that is later follows the firing. */
  #reachSession(session: Session, deadline: Deadline): boolean {
    const lastTime = session.end - 1
    if (deadline.time < lastTime) {
      this.#schedule(session, lastTime, deadline)
      return true
    }
    const cleanup = cleanupTime(session.end, this.#allowedLatenessMs)
    if (deadline.time >= cleanup) return false
    this.#schedule(session, cleanup, deadline)
    return true
  }
}

function windowOf({ start, end }: Session): { readonly start: number; readonly end: number } {
  return { start, end }
}
