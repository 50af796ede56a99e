import type { RunProgress } from './process-protocol.ts'

export const noProgress: RunProgress = {
  state: 'CREATED',
  recordsIn: 0,
  recordsOut: 0,
  lag: Number.NaN,
  watermark: undefined,
  checkpoints: 0,
  lastCheckpoint: undefined,
  restarts: 0,
  lateRecordsDropped: 0,
}

/** Counts of earlier working processes and of the present one together; what is no count comes from the present one. */
export function addProgress(before: RunProgress, now: RunProgress): RunProgress {
  return {
    ...now,
    recordsIn: before.recordsIn + now.recordsIn,
    recordsOut: before.recordsOut + now.recordsOut,
    checkpoints: before.checkpoints + now.checkpoints,
    restarts: before.restarts + now.restarts,
    lateRecordsDropped: before.lateRecordsDropped + now.lateRecordsDropped,
    lastCheckpoint: now.lastCheckpoint ?? before.lastCheckpoint,
  }
}
