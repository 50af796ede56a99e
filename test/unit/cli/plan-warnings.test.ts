import { expect, test } from 'vitest'
import { buildJob, type JobBuilder, job } from '../../../src/api/job.ts'
import { warningsOf } from '../../../src/cli/plan-warnings.ts'
import { FileSink } from '../../../src/connectors/filesystem/index.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import { planOf } from '../../../src/graph/plan.ts'

const warnings = (build: JobBuilder) => warningsOf(planOf(createJobGraph(buildJob(job('warned', build)))))

test('a bounded job whose exactly-once sinks have no checkpoints warns that it publishes at its end alone', () => {
  const found = warnings((env) => {
    env
      .fromSequence(1, 3)
      .sinkTo(FileSink.of({ folder: 'out' }))
      .name('results')
  })
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(/^WARNING: there are no checkpoints, so 'results' publishes .* only when the job has ended/)
})

test('with checkpoints, or without such a sink, there is no warning', () => {
  const checkpointed = warnings((env) => {
    env
      .enableCheckpointing('1s')
      .fromSequence(1, 3)
      .sinkTo(FileSink.of({ folder: 'out' }))
  })
  const printed = warnings((env) => {
    env.fromSequence(1, 3).print()
  })
  expect([checkpointed, printed]).toEqual([[], []])
})
