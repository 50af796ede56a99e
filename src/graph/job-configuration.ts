/** The settings of one job, resolved: what the environment was given in the job file, over what the configuration says. Plain data. */
export interface JobConfiguration {
  readonly parallelism: number
  readonly maxParallelism: number
  /** A partial batch is shipped after this long (`execution.buffer-timeout.interval`, default 5). 0: after every turn. */
  readonly bufferTimeoutMs: number
  /** `pipeline.auto-watermark-interval`, default 200. 0: after every batch. */
  readonly autoWatermarkIntervalMs: number
  /** `pipeline.columns`, default auto. */
  readonly columns?: 'auto' | 'off'
  readonly checkpointing: CheckpointingConfiguration | undefined
  readonly restartStrategy: RestartStrategy
  /** `task.cancellation.timeout`, default 30000 (R32). */
  readonly cancellationTimeoutMs: number
}

export interface CheckpointingConfiguration {
  /** `execution.checkpointing.interval` */
  readonly intervalMs: number
  readonly mode: 'exactly-once' | 'at-least-once'
  /** `execution.checkpointing.timeout`, default 600000. */
  readonly timeoutMs: number
  /** `execution.checkpointing.min-pause`, default 0: between the end of one and the start of the next. */
  readonly minPauseMs: number
  /** `execution.checkpointing.tolerable-failed-checkpoints`, default 0: failures in a row that do not fail the job. */
  readonly tolerableFailedCheckpoints: number
  /** `state.checkpoints.num-retained`, default 2 (R9). */
  readonly retained: number
}

/** `restart-strategy.type` and its keys; Flink's names and meanings. */
export type RestartStrategy =
  | { readonly type: 'none' }
  | { readonly type: 'fixed-delay'; readonly attempts: number; readonly delayMs: number }
  | {
      readonly type: 'failure-rate'
      readonly maxFailuresPerInterval: number
      readonly failureRateIntervalMs: number
      readonly delayMs: number
    }
  | {
      readonly type: 'exponential-delay'
      readonly initialBackoffMs: number
      readonly maxBackoffMs: number
      readonly backoffMultiplier: number
      readonly resetBackoffThresholdMs: number
      /** Fraction of the delay that is added or taken at random. */
      readonly jitterFactor: number
    }
