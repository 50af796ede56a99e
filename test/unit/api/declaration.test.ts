import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { userPlace } from '../../../src/api/declaration.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test("the place is the innermost frame that is not ours, Node's, or a library's", () => {
  const stack = [
    'Error: where',
    `    at declarationPlace (${root}src/api/declaration.ts:21:20)`,
    `    at DataStream.map (file://${root}dist/api/data-stream.js:30:1)`,
    '    at Array.map (<anonymous>)',
    '    at node:internal/modules/run_main:12:3',
    '    at helper (/home/ada/app/node_modules/library/index.js:3:1)',
    '    at build (file:///home/ada/app/job%20one.ts?version=2:12:34)',
    '    at main (/home/ada/app/main.ts:1:1)',
  ]
  expect(userPlace(stack.join('\n'))).toBe('/home/ada/app/job one.ts:12')
  expect(userPlace(stack.slice(0, 6).join('\n'))).toBe('/home/ada/app/node_modules/library/index.js:3')
  expect(userPlace(stack.slice(0, 5).join('\n'))).toBeUndefined()
  expect(userPlace(undefined)).toBeUndefined()
})

test('frames without a function name, of methods, and of drives are read', () => {
  expect(userPlace('    at /app/job.ts:4:2')).toBe('/app/job.ts:4')
  expect(userPlace('    at async Promise.all (index 0)\n    at async run (/app/job.ts:5:2)')).toBe('/app/job.ts:5')
  expect(userPlace('    at run (/home/ada (old)/job.ts:5:2)')).toBe('/home/ada (old)/job.ts:5')
  expect(userPlace('    at new Job (C:\\app\\job.ts:6:2)')).toBe('C:\\app\\job.ts:6')
})

const source = `import { job } from 'millrace'

enum Kind { even = 'even' }

export default job('mapped', (env) => {
  env
    .fromSequence(1, 10)
    .map((value) => [Kind.even, value])
    .print()
})
`

const main = `import definition from './bundle.mjs'
import { buildJob } from '${pathToFileURL(join(root, 'src/api/job.ts')).href}'
const graph = buildJob(definition)
process.stdout.write(JSON.stringify(graph.nodes.map((node) => node.declaredAt)))
`

test('in a bundle the place is that of the source, by its source map (R40)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-declared-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'job.ts'), source)
  await writeFile(join(folder, 'main.mjs'), main)
  await build({
    entryPoints: [join(folder, 'job.ts')],
    outfile: join(folder, 'bundle.mjs'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    sourcemap: 'inline',
    plugins: [
      {
        name: 'millrace-is-external',
        setup({ onResolve }) {
          const path = pathToFileURL(join(root, 'src/index.ts')).href
          onResolve({ filter: /^millrace$/ }, () => ({ path, external: true }))
        },
      },
    ],
  })
  const { stdout } = await promisify(execFile)(process.execPath, ['--enable-source-maps', join(folder, 'main.mjs')])
  const file = join(folder, 'job.ts')
  expect(JSON.parse(stdout)).toEqual([`${file}:7`, `${file}:8`, `${file}:9`])
})
