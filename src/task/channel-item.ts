import type { CheckpointBarrier } from '../state/checkpoint-record.ts'

/** What stands between the batches of a channel, in order with them. Plain data. */
export type ControlItem =
  | { readonly type: 'watermark'; readonly watermark: number }
  | { readonly type: 'barrier'; readonly barrier: CheckpointBarrier }
  /** Holds back no watermark until `active`. */
  | { readonly type: 'idle' }
  | { readonly type: 'active' }
  /** The sender's input has ended and everything is flushed. */
  | { readonly type: 'end' }
