import { type JobBuilder, RestartStrategies } from 'millrace'
import { buildFree } from './free-job.ts'
import { JobParts, sinksOf, Throws } from './job-parts.ts'
import type { JobShape } from './job-shape.ts'
import { buildOrdered } from './ordered-job.ts'

/** A job of a random shape as the API declares it. Its first argument is the number of the start. */
export class RandomJob {
  readonly sinks: ReturnType<typeof sinksOf>
  readonly throws: Throws
  readonly #shape: JobShape

  constructor(shape: JobShape) {
    this.#shape = shape
    this.sinks = sinksOf(shape)
    this.throws = new Throws(shape.throws)
  }

  readonly build: JobBuilder = (env, args) => {
    const run = Number(args[0])
    const shape = this.#shape
    const { tolerableFailedCheckpoints, parallelisms } = shape
    env.enableCheckpointing(shape.checkpointIntervalMs, { tolerableFailedCheckpoints })
    env.setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 1000, delay: shape.restartDelayMs }))
    env.setParallelism(parallelisms[run % parallelisms.length] as number)
    env.setMaxParallelism(shape.maxParallelism)
    env.setBufferTimeout(shape.bufferTimeoutMs)
    env.setAutoWatermarkInterval(shape.autoWatermarkIntervalMs)
    const parts = new JobParts(shape, run, this)
    for (const pipeline of shape.pipelines) {
      if (pipeline.type === 'free') buildFree(env, pipeline, parts)
      else buildOrdered(env, pipeline, parts)
    }
  }
}
