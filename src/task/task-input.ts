import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { Alignment } from './barrier-alignment.ts'
import type { ValveEvent } from './watermark-valve.ts'

/** What one turn of the input asks the subtask to do. */
export type InputEvent =
  /** Nothing is here now: the slot is woken when that changes. */
  | { readonly type: 'nothing' }
  /** A batch was processed, or something was read that asks for nothing more. */
  | { readonly type: 'progress' }
  | ValveEvent
  | ({ readonly type: 'barrier' } & Alignment)
  /** Once, behind the last watermark. */
  | { readonly type: 'ended' }

/** Where a subtask's records come from: the splits of a source, or the channels of its inputs. */
export interface TaskInput {
  /**
   * Processes one batch, or reports one event. Not called while a step is in work or an output has no credit (R33).
   * `takesRecords` false: the chain can take none now, and only what comes before them is reported, such as a barrier.
   */
  poll(takesRecords: boolean): InputEvent
  /** Whether `poll` is called from now on when there is input: idle time counts only then (R19). */
  advanceActiveTime(reading: boolean): void
  /** Monotonic milliseconds when `poll` has something to do though nothing arrives; Infinity: never. */
  readonly nextDeadline: number
  trigger(barrier: CheckpointBarrier): void
  aborted(checkpointId: number): void
  readonly watermark: number
  readonly recordsIn: number
  close(): Promise<void>
}
