import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const execute = promisify(execFile)
const project = resolve(import.meta.dirname, '../..')
let folder: string

/** npm and the package's binary run by the Node of the tests, whatever the machine's own is. */
const run = (command: string, ...args: string[]) =>
  execute(command, args, {
    cwd: folder,
    timeout: 100_000,
    env: { ...process.env, PATH: `${resolve(process.execPath, '..')}:${process.env['PATH']}`, NO_COLOR: '1' },
  })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-package-'))
  // The build is that of npm test: another one would change dist under the feet of other tests.
  await run('npm', 'pack', project, '--ignore-scripts', '--silent')
  const [tarball = ''] = readdirSync(folder)
  await run('npm', 'init', '-y')
  await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', `./${tarball}`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const job = `
import { datagen, job, sum, TumblingEventTimeWindows, WatermarkStrategy } from 'millrace'
import { FileSink } from 'millrace/filesystem'

enum Parity { Even, Odd }

export default job('packed', (env, [count]) => {
  env.enableCheckpointing('200ms')
  const numbers = datagen({ generate: (index) => ({ parity: Parity[index % 2], index }), count: Number(count) })
  env
    .fromSource(numbers, WatermarkStrategy.forMonotonousTimestamps().withTimestamps((one) => one.index), 'numbers')
    .keyBy((one) => one.parity ?? '')
    .window(TumblingEventTimeWindows.of(1000))
    .aggregate(sum('index'), { withKey: (parity, total, { start }) => ({ parity, total, start }) })
    .sinkTo(FileSink.of({ folder: 'out' }))
})
`

/** npm init writes commonjs; many people change it. */
const moduleTypes = ['commonjs', 'module'] as const

function setModuleType(type: string): void {
  const path = join(folder, 'package.json')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), type }))
}

test.each(moduleTypes)(
  'the packed tarball, installed in an empty folder of type %s, runs and plans a job',
  async (type) => {
    setModuleType(type)
    rmSync(join(folder, 'out'), { recursive: true, force: true })
    writeFileSync(join(folder, 'packed.ts'), job)
    const { stdout } = await run('npx', 'millrace', 'run', 'packed.ts', '-p', '2', '--json', '--', '2000')
    expect(JSON.parse(stdout)).toMatchObject({ job: 'packed', state: 'FINISHED', restarts: 0 })
    const lines = readdirSync(join(folder, 'out'))
      .filter((name) => !name.startsWith('.'))
      .flatMap((name) =>
        readFileSync(join(folder, 'out', name), 'utf8')
          .trim()
          .split('\n'),
      )
    expect(lines.toSorted()).toEqual([
      '{"parity":"Even","total":249500,"start":0}',
      '{"parity":"Even","total":749500,"start":1000}',
      '{"parity":"Odd","total":250000,"start":0}',
      '{"parity":"Odd","total":750000,"start":1000}',
    ])
    const plan = await run('npx', 'millrace', 'plan', 'packed.ts', '--', '2000')
    expect(plan.stdout).toMatch(/^job packed\n/)
    expect(plan.stdout).toContain('(packed.ts:')
  },
)

/** Every entry point; nothing of the project's own node_modules is in reach. */
const imports = `
import type { Source } from 'millrace'
import type { FileSinkOptions } from 'millrace/filesystem'
import type { Format } from 'millrace/formats'
import type { KafkaRecord } from 'millrace/kafka'
import type { RedisSinkOptions } from 'millrace/redis'
import { OperatorHarness } from 'millrace/testing'
export type Used = [Source<number>, FileSinkOptions<number>, Format<number>, KafkaRecord, RedisSinkOptions<number>]
export const harness: unknown = OperatorHarness
`

const compilers = [
  ['nodenext', '--module nodenext --target es2022'],
  ['a bundler', '--module esnext --moduleResolution bundler --target esnext'],
] as const

test.each(compilers)(
  'its declarations are all that the first job of the README needs to compile for %s',
  async (_, options) => {
    const readme = readFileSync(join(project, 'README.md'), 'utf8')
    const sample = /^```ts\n(?<code>[\s\S]*?)^```$/m.exec(readme)?.groups?.['code'] ?? ''
    expect(sample).toContain("job('views-per-page'")
    writeFileSync(join(folder, 'views-per-page.ts'), sample)
    writeFileSync(join(folder, 'imports.ts'), imports)
    const flags = ['--noEmit', '--strict', '--skipLibCheck', 'false', ...options.split(' ')]
    await run(join(project, 'node_modules/.bin/tsc'), ...flags, 'views-per-page.ts', 'imports.ts')
  },
)
