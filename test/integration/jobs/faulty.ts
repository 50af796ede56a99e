import { execSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { datagen, job, RestartStrategies, WatermarkStrategy } from 'millrace'
import { FileSink } from 'millrace/filesystem'

export interface FaultyArguments {
  /** For output and marks of what has happened already. */
  readonly folder: string
  readonly count: number
  /** What happens at record 2000; `exit` also at 5000 and 9000, each once. */
  readonly fault: 'loop' | 'native' | 'exit'
}

/** A running count by key whose map misbehaves in a slot's thread. */
export default job('faulty', (env, args) => {
  const { folder, count, fault } = JSON.parse(args[0] ?? '{}') as FaultyArguments
  env.enableCheckpointing('20ms').setRestartStrategy(RestartStrategies.fixedDelay({ attempts: 10, delay: '1ms' }))
  env
    .fromSource(
      datagen({
        generate: (index) => ({ id: index, key: `k${index % 7}`, count: 1 }),
        count,
        recordsPerSecond: 20_000,
      }),
      WatermarkStrategy.noWatermarks(),
      'numbers',
    )
    .map((value) => {
      misbehave(value.id, folder, fault)
      return value
    })
    .keyBy((value) => value.key)
    .reduce((a, b) => ({ id: b.id, key: a.key, count: a.count + b.count }))
    .sinkTo(FileSink.of({ folder: join(folder, 'out') }))
})

function misbehave(id: number, folder: string, fault: FaultyArguments['fault']): void {
  if (fault === 'exit') {
    if (![2000, 5000, 9000].includes(id) || existsSync(join(folder, `exited-${id}`))) return
    writeFileSync(join(folder, `exited-${id}`), '')
    process.exit(7)
  }
  if (id !== 2000) return
  writeFileSync(join(folder, 'stuck'), '')
  if (fault === 'native') execSync('sleep 3')
  else for (;;);
}
