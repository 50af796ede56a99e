/// <reference types="node" preserve="true" />
// The public API for tests of jobs: a cluster in the test's own thread, and harnesses for single operators.
export type { JobResult } from '../actors/job-client.ts'
export type { EnumeratorContext, EnumeratorOf, SplitEnumerator } from '../api/source.ts'
export type { CheckpointSummary } from '../coordinator/checkpoints/state.ts'
export type { JobState, JobStatus } from '../coordinator/job-master/job-status.ts'
export type { TestTime } from './cluster-time.ts'
export { type CollectingSink, type CollectingSinkOptions, collectingSink } from './collecting-sink.ts'
export { HarnessCheckpoint, type HarnessSnapshot } from './harness-checkpoint.ts'
export type { OperatorHarnessOptions } from './harness-start.ts'
export { type HarnessRecord, OperatorHarness } from './operator-harness.ts'
export type { ReplacedConnectors } from './replaced-connectors.ts'
export { END, FAIL, PAUSE, type ScriptedSourceOptions, ScriptMarker, scriptedSource } from './scripted-source.ts'
export {
  type CollectOptions,
  type StartOptions,
  type StreamBuilder,
  startTestCluster,
  TestCluster,
  type TestClusterOptions,
} from './test-cluster.ts'
export { TestJob } from './test-job.ts'
export type { StorageFault, StorageOperation } from './test-storage.ts'
export { VirtualClock } from './virtual-clock.ts'
