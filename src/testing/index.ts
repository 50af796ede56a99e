export { HarnessCheckpoint, type HarnessSnapshot } from './harness-checkpoint.ts'
export type { OperatorHarnessOptions } from './harness-start.ts'
export { type HarnessRecord, OperatorHarness } from './operator-harness.ts'
export { VirtualClock } from './virtual-clock.ts'
