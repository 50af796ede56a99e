import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bundleJob } from '../../../src/cli/bundle-job.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundle-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

const bundled = async (path: string) => readFileSync(fileURLToPath((await bundleJob(path, folder)).url), 'utf8')

test('everything is in the bundle but millrace and the modules of Node', async () => {
  write('lib/rates.ts', 'export enum Currency { Euro = 7 }')
  write('node_modules/left/package.json', '{"name":"left","version":"1.0.0","main":"index.js"}')
  write('node_modules/left/index.js', 'module.exports = { left: () => "from a package" }')
  const job = write(
    'job.ts',
    `import { readFileSync } from 'node:fs'
     import { job } from 'millrace'
     import { json } from 'millrace/formats'
     import { left } from 'left'
     import { Currency } from './lib/rates'
     export default job('bundled', () => { console.log(readFileSync, json, left(), Currency.Euro) })`,
  )
  const text = await bundled(job)
  expect(text).toContain('from a package')
  expect(text).toMatch(/from ["']millrace["']/)
  expect(text).toMatch(/from ["']millrace\/formats["']/)
  expect(text).toMatch(/from ["']node:fs["']/)
  expect(text).not.toMatch(/from ["']left["']/)
})

test('schemas that a job imports are in its bundle', async () => {
  write('order.proto', 'message Order { string id = 1; }')
  write('click.avsc', '{"type":"record","name":"Click","fields":[]}')
  const job = write(
    'job.ts',
    "import proto from './order.proto'\nimport click from './click.avsc'\nconsole.log(proto, click)",
  )
  const text = await bundled(job)
  expect(text).toContain('message Order')
  expect(text).toMatch(/name: ["']Click["']/)
})

test('the same job gives the same bundle, another one another', async () => {
  const one = write('job.ts', "import { job } from 'millrace'\nexport default job('one', () => {})")
  const first = await bundleJob(one, folder)
  expect(await bundleJob(one, folder)).toMatchObject({ url: first.url, sha256: first.sha256 })
  write('job.ts', "import { job } from 'millrace'\nexport default job('two', () => {})")
  expect((await bundleJob(one, folder)).sha256).not.toBe(first.sha256)
})

test('a missing job file, a syntax error and a missing import are named with their place', async () => {
  await expect(bundleJob(join(folder, 'no.ts'), folder)).rejects.toThrow(/no\.ts: there is no such job file/)
  await expect(bundleJob(write('bad.ts', 'export default {{'), folder)).rejects.toThrow(/bad\.ts:1:\d+: /)
  await expect(bundleJob(write('lost.ts', "import './nowhere'"), folder)).rejects.toThrow(/lost\.ts:1:\d+: .*nowhere/)
})

test('a job that needs a native addon or a worker file is refused by name', async () => {
  write('node_modules/fast/package.json', '{"name":"fast","version":"1.0.0","main":"index.js"}')
  write('node_modules/fast/index.js', "module.exports = require('./build/fast.node')")
  await expect(bundleJob(write('addon.ts', "import 'fast'"), folder)).rejects.toThrow(
    /native addon \.\/build\/fast\.node/,
  )
  const worker = write('worker.ts', "import { Worker } from 'node:worker_threads'\nnew Worker('./x.js')")
  await expect(bundleJob(worker, folder)).rejects.toThrow(/worker\.ts starts a worker thread/)
})

test('a job written with another version of millrace is refused with both versions', async () => {
  write(
    'node_modules/millrace/package.json',
    '{"name":"millrace","version":"99.0.0","exports":{"./package.json":"./package.json"}}',
  )
  const job = write('job.ts', "import { job } from 'millrace'\nexport default job('old', () => {})")
  await expect(bundleJob(job, folder)).rejects.toThrow(/has millrace 99\.0\.0 .* this command is millrace \d/)
})

test('an entry point that millrace does not have is refused with those that it has', async () => {
  const job = write('job.ts', "import { x } from 'millrace/sql'\nexport default x")
  await expect(bundleJob(job, folder)).rejects.toThrow(/job\.ts:1:\d+: there is no millrace\/sql; there are millrace, /)
})

test('bundles are removed: by their command at its end, by the next one where it was killed', async () => {
  const job = write('job.ts', "import { job } from 'millrace'\nexport default job('one', () => {})")
  const bundles = join(folder, '.millrace', 'bundles')
  const first = await bundleJob(job, folder)
  const alive = `a-${process.ppid}.mjs`
  writeFileSync(join(bundles, alive), '')
  writeFileSync(join(bundles, 'a-4194304.mjs'), '') // above the highest process id of Linux
  const second = await bundleJob(job, folder)
  expect(readdirSync(bundles)).not.toContain('a-4194304.mjs')
  first.remove()
  second.remove()
  expect(readdirSync(bundles)).toEqual([alive])
})

test('a folder is no job file, and a bundle that can not be written is told with its path', async () => {
  await expect(bundleJob(folder, folder)).rejects.toThrow(/is a folder: name the job's file/)
  const job = write('job.ts', "import { job } from 'millrace'\nexport default job('one', () => {})")
  write('.millrace', '')
  await expect(bundleJob(job, folder)).rejects.toMatchObject({
    code: 'MR_STORAGE',
    message: expect.stringContaining(join(folder, '.millrace', 'bundles')),
  })
})
