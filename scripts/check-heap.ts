// Does a long stream leave anything behind? Runs 5M records through a job with checkpoints, and compares the memory that is
// left after a collection at the warm-up's end with that at the end: node --expose-gc --conditions=millrace-source scripts/check-heap.ts
import { count, datagen, type Sink, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { startTestCluster } from 'millrace/testing'

const records = Number(process.argv[2] ?? 5_000_000)
const parallelism = Number(process.argv[3] ?? 2)
const keys = 1000
/** What is allowed to come and go: code that is still being compiled, pools that fill. */
const allowedGrowthMb = 4

interface Reading {
  readonly sensor: string
  readonly at: number
  readonly value: number
}

/** Publishes nothing and keeps nothing, but takes part in checkpoints. */
const nowhere: Sink<unknown> = {
  connector: 'nowhere',
  deliveryGuarantee: 'exactly-once',
  createWriter: () => {
    let written = 0
    return {
      writable: true,
      write: () => {
        written++
      },
      prepareCommit: async () => (written === 0 ? [] : [written]),
      commit: async () => {},
      close: async () => {},
    }
  },
}

const collectGarbage = globalThis.gc
if (collectGarbage === undefined) throw new Error('run it with --expose-gc')

function usedMb(): number {
  collectGarbage?.()
  collectGarbage?.()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return (heapUsed + external + arrayBuffers) / 2 ** 20
}

await using cluster = startTestCluster({ time: 'system' })
const job = await cluster.start((env) => {
  env.enableCheckpointing('200ms').setParallelism(parallelism)
  const readings = env.fromSource(
    datagen({
      generate: (index): Reading => ({ sensor: `s${index % keys}`, at: index, value: index % 97 }),
      count: records,
    }),
    WatermarkStrategy.forBoundedOutOfOrderness(5000).withTimestamps((reading: Reading) => reading.at),
    'readings',
  )
  readings
    .keyBy((reading) => reading.sensor)
    .reduce((left, right) => ({ ...right, value: left.value + right.value }))
    .sinkTo(nowhere, 'running')
  readings
    .keyBy((reading) => reading.sensor)
    .window(TumblingEventTimeWindows.of(10_000))
    .aggregate(count(), { withKey: (sensor, readingsOf, window) => ({ sensor, readingsOf, from: window.start }) })
    .sinkTo(nowhere, 'windows')
})

const samples: { readonly millions: number; readonly mb: number }[] = []
for (let part = 1; part <= 10; part++) {
  const goal = (records / 10) * part * 0.99
  for (;;) {
    const { state, metrics } = job.status()
    if (state === 'FAILED') throw new Error(JSON.stringify(job.status().error))
    if (metrics.recordsIn >= goal || state === 'FINISHED') break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const mb = usedMb()
  samples.push({ millions: job.status().metrics.recordsIn / 1e6, mb })
  process.stdout.write(`${(job.status().metrics.recordsIn / 1e6).toFixed(2)}M records: ${mb.toFixed(1)} MB\n`)
}
const result = await job.result()
// Code is compiled and pools are full by then.
const warm = samples[3]
const last = samples.at(-1)
const growth = (last?.mb ?? 0) - (warm?.mb ?? 0)
process.stdout.write(`${result.state}, ${result.checkpoints} checkpoints, growth ${growth.toFixed(1)} MB\n`)
process.exitCode = result.state === 'FINISHED' && growth < allowedGrowthMb ? 0 : 1
