import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CommandResult } from './support/millrace.ts'
import { summaryOf, TrialFolder } from './support/trial-folder.ts'

let folder: TrialFolder

beforeEach(() => {
  folder = new TrialFolder()
})
afterEach(() => folder.remove())

interface Mistake {
  readonly what: string
  readonly args: readonly string[]
  readonly says: string | RegExp
  readonly code?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Job files by name, as their whole text. */
  readonly files?: Readonly<Record<string, string>>
}

const good = "import { job } from 'millrace'\nexport default job('good', (env) => void env.fromSequence(1, 3).print())"

/** One message, nothing on standard output, the right code, no bundle left, within seconds. */
async function expectRefused({ args, says, code = 2, environment = {}, files = {} }: Mistake): Promise<void> {
  folder.write('good.ts', good)
  for (const [name, text] of Object.entries(files)) folder.write(name, text)
  const result = await folder.run(args, { environment })
  const { stderr } = result
  expect(stderr).toMatch(says)
  expect(result, stderr).toMatchObject({ code, stdout: '' })
  expect(stderr.match(/^millrace: /gm), stderr).toHaveLength(1)
  expect(stderr, 'a stack').not.toMatch(/^\s+at /m)
  expect(result.seconds).toBeLessThan(10)
  expect(folder.leftovers()).toEqual([])
}

const flagMistakes: readonly Mistake[] = [
  { what: 'no job file', args: [], says: "missing required argument 'job file'" },
  { what: 'an unknown flag', args: ['good.ts', '--frm'], says: /unknown option '--frm'\n\(Did you mean --from\?\)/ },
  { what: 'a flag without its value', args: ['good.ts', '--from'], says: /--from <checkpoint>' argument missing/ },
  {
    what: '-p without a number',
    args: ['good.ts', '-p', 'two'],
    says: '-p: "two" is not allowed; it takes a whole number',
  },
  { what: '-p 0', args: ['good.ts', '-p', '0'], says: '-p: "0" is not allowed' },
  {
    what: '--accept-duplicates alone',
    args: ['good.ts', '--accept-duplicates'],
    says: '--accept-duplicates goes with --from',
  },
  { what: '-D without =', args: ['good.ts', '-D', 'foo'], says: '-D foo: write -D key=value' },
  {
    what: 'an unknown key',
    args: ['good.ts', '-D', 'taskmanager.slots=2'],
    says: '-D: there is no key taskmanager.slots',
  },
  {
    what: 'a wrong value',
    args: ['good.ts', '-D', 'restart-strategy.type=never'],
    says: '-D: restart-strategy.type: "never" is not allowed; it takes one of none,',
  },
  {
    what: 'an unknown variable',
    args: ['good.ts'],
    environment: { MILLRACE_PARALELLISM_DEFAULT: '2' },
    says: 'MILLRACE_PARALELLISM_DEFAULT names no configuration key',
  },
  {
    what: 'a wrong value of a variable',
    args: ['good.ts'],
    environment: { MILLRACE_PARALLELISM_DEFAULT: 'two' },
    says: 'MILLRACE_PARALLELISM_DEFAULT: "two" is not allowed',
  },
  {
    what: 'a wrong log level',
    args: ['good.ts'],
    environment: { MILLRACE_LOG_LEVEL: 'loud' },
    says: 'MILLRACE_LOG_LEVEL: "loud" is not allowed; it takes one of debug, info, warn, error',
  },
  {
    what: 'a millrace.yaml that is no YAML',
    args: ['good.ts'],
    files: { 'millrace.yaml': 'a: [' },
    says: /millrace\.yaml is no YAML: .* at line 1, column 5\n/,
  },
  {
    what: 'a millrace.yaml with an unknown key',
    args: ['good.ts'],
    files: { 'millrace.yaml': 'parallelism:\n  standard: 2\n' },
    says: 'millrace.yaml: there is no key parallelism.standard',
  },
  {
    what: 'a millrace.yaml with a list',
    args: ['good.ts'],
    files: { 'millrace.yaml': 'parallelism.default: [2]' },
    says: 'millrace.yaml: parallelism.default: a list is not allowed; it takes one value',
  },
  {
    what: 'a checkpoint that is not there',
    args: ['good.ts', '--from', 'chk-7', '-D', 'execution.checkpointing.interval=1s'],
    says: /MR_CHECKPOINT_NOT_FOUND: .*chk-7/,
  },
]

const line = (text: string) => `import { job } from 'millrace'\n${text}\n`

const jobMistakes: readonly Mistake[] = [
  { what: 'a missing file', args: ['no.ts'], says: 'MR_JOB_DEFINITION: no.ts: there is no such job file' },
  { what: 'a folder', args: ['.'], says: ". is a folder: name the job's file" },
  {
    what: 'a file that is no job',
    args: ['bad.ts'],
    files: { 'bad.ts': 'export default 5' },
    says: 'bad.ts: its default export is no job',
  },
  {
    what: 'a syntax error',
    args: ['bad.ts'],
    files: { 'bad.ts': line("export default job('x', (env) => { env.fromSequence( })") },
    says: /bad\.ts:2:\d+: Unexpected/,
  },
  {
    what: 'a missing module',
    args: ['bad.ts'],
    files: { 'bad.ts': line("import './nowhere.ts'") },
    says: /bad\.ts:2:\d+: Could not resolve ".\/nowhere\.ts"/,
  },
  {
    what: 'an entry point that is not there',
    args: ['bad.ts'],
    files: { 'bad.ts': line("import { x } from 'millrace/sql'\nexport default x") },
    says: /bad\.ts:2:\d+: there is no millrace\/sql; there are millrace,/,
  },
  {
    what: 'an import that is not there',
    args: ['bad.ts'],
    files: { 'bad.ts': "import { jobs } from 'millrace'\nexport default jobs" },
    says: "bad.ts threw while it was loaded: The requested module 'millrace' does not provide an export named 'jobs'",
  },
  {
    what: 'an error at the top level',
    args: ['bad.ts'],
    files: { 'bad.ts': line("throw new Error('no settings')") },
    says: /bad\.ts threw while it was loaded at .*bad\.ts:2: no settings/,
  },
  {
    what: 'an error in the builder',
    args: ['bad.ts'],
    files: { 'bad.ts': line("export default job('bad', () => {\n  throw new Error('no settings')\n})") },
    says: /job 'bad' threw while it was built at .*bad\.ts:3: no settings/,
  },
  {
    what: 'an async builder',
    args: ['bad.ts'],
    files: { 'bad.ts': line("export default job('bad', async (env) => void env.fromSequence(1, 2).print())") },
    says: "job 'bad': its function is async",
  },
  {
    what: 'an operator without its function',
    args: ['bad.ts'],
    files: {
      'bad.ts': line("export default job('bad', (env) => void env.fromSequence(1, 2).map(undefined as never).print())"),
    },
    says: /map \(declared at .*bad\.ts:2\): the function is undefined; it has to be a function/,
  },
  {
    what: 'a job without a sink',
    args: ['bad.ts'],
    files: { 'bad.ts': line("export default job('bad', (env) => void env.fromSequence(1, 2))") },
    says: "job 'bad' has no sink",
  },
  {
    what: 'a name that can be no folder',
    args: ['bad.ts'],
    files: { 'bad.ts': line("export default job('a/b', () => {})") },
    says: 'the name "a/b" is not allowed',
  },
  {
    what: 'a job that ends the process while it is loaded',
    args: ['bad.ts'],
    files: { 'bad.ts': line('process.exit(0)') },
    says: 'bad.ts ended the process while it was loaded (exit code 0)',
  },
]

describe.each([
  ['flags and configuration', flagMistakes],
  ['job files', jobMistakes],
] as const)('one message and exit code 2: %s', (_, mistakes) => {
  test.each(mistakes)('$what', expectRefused)
})

const oneSlot = ['-p', '2', '-D', 'taskmanager.numberOfTaskSlots=1']

test('a job that needs more slots than there are fails with both numbers', async () => {
  folder.write('good.ts', good)
  const result = await folder.run(['good.ts', ...oneSlot, '--json'])
  expect(result.code).toBe(2)
  expect(result.stderr).toMatch(/MR_NOT_ENOUGH_SLOTS: .* needs 2 task slots, but 1 (is|are) available/)
  expect(summaryOf(result)).toMatchObject({ job: 'good', state: 'FAILED' })
})

const unwritable: readonly { readonly what: string; readonly folder: string }[] = [
  { what: 'a file is in the way', folder: 'file/checkpoints' },
  { what: 'the file system takes no folders', folder: '/proc/checkpoints' },
]

test.each(unwritable)(
  'a folder of checkpoints that can not be made is named: $what',
  async ({ folder: checkpoints }) => {
    folder.write('good.ts', good)
    folder.write('file', '')
    const keys = ['-D', 'execution.checkpointing.interval=1s', '-D', `execution.checkpointing.dir=${checkpoints}`]
    const result = await folder.run(['good.ts', ...keys])
    expect(result).toMatchObject({ code: 3, stdout: '' })
    expect(result.stderr).toMatch(new RegExp(`MR_STORAGE: .*${checkpoints}`))
    expect(result.seconds).toBeLessThan(10)
  },
)

test('a folder in which no bundle can be written is named', async () => {
  folder.write('good.ts', good)
  folder.write('.millrace', '')
  const result = await folder.run(['good.ts'])
  expect(result).toMatchObject({ code: 3, stdout: '' })
  expect(result.stderr).toMatch(/MR_STORAGE: the job's bundle can not be written to .*\.millrace\/bundles/)
})

test('what a slot prints is alone on standard output, to the last line, and the line of --json follows it', async () => {
  folder.writeJob('printing', '  env.fromSequence(1, 30_000).map((n) => "line " + n + " of " + args.join()).print()')
  const result = await folder.run(['printing.ts', '-p', '1', '--json', '--', 'two', '--words'])
  const lines = result.stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(30_001)
  expect(lines.slice(0, 2)).toEqual(['line 1 of two,--words', 'line 2 of two,--words'])
  expect(lines.at(-2)).toBe('line 30000 of two,--words')
  const { seconds, ...summary } = summaryOf(result)
  expect(summary).toEqual({
    job: 'printing',
    state: 'FINISHED',
    recordsIn: 30_000,
    recordsOut: 30_000,
    checkpoints: 0,
    restarts: 0,
  })
  expect(Object.keys(summaryOf(result))).toEqual([
    'job',
    'state',
    'recordsIn',
    'recordsOut',
    'seconds',
    'checkpoints',
    'restarts',
  ])
  expect(seconds).toBeGreaterThan(0)
  expect(result.stderr).toBe('millrace: job printing started\n')
  expect(folder.leftovers()).toEqual([])
})

test('what functions print themselves is on standard output to the last line, also before an error', async () => {
  folder.writeJob(
    'logging',
    `  env.fromSequence(1, Number(args[1] ?? 20_000)).map((n) => {
    console.log(n)
    if (n === Number(args[0])) throw new Error('enough')
    return n
  }).filter(() => false).print()`,
  )
  const finished = await folder.run(['logging.ts', '-p', '1'])
  expect(finished.stdout.trimEnd().split('\n')).toHaveLength(20_000)
  const failed = await folder.run(['logging.ts', '-p', '1', '--', '15000'])
  expect(failed.stdout.trimEnd().split('\n').at(-1)).toBe('15000')
  expect(failed.code).toBe(1)
  // A reader that comes late: what is printed backs up into the threads of the job, which has long ended.
  const late = folder.start(['logging.ts', '-p', '1', '--', '0', '100000'])
  late.child.stdout?.pause()
  setTimeout(() => late.child.stdout?.resume(), 3000)
  expect((await late.result).stdout.trimEnd().split('\n')).toHaveLength(100_000)
})

test('flags win over variables, those over millrace.yaml, and the cores are the default', async () => {
  folder.write('good.ts', good)
  folder.write('millrace.yaml', 'parallelism:\n  default: 3\n')
  const environment = { MILLRACE_PARALLELISM_DEFAULT: '4' }
  const parallelism = (result: CommandResult) => /^parallelism (\d+),/m.exec(result.stdout)?.[1]
  expect(parallelism(await folder.plan(['good.ts']))).toBe('3')
  expect(parallelism(await folder.plan(['good.ts'], { environment }))).toBe('4')
  expect(parallelism(await folder.plan(['good.ts', '-D', 'parallelism.default=5'], { environment }))).toBe('5')
  expect(parallelism(await folder.plan(['good.ts', '-p', '6', '-D', 'parallelism.default=5']))).toBe('6')
  rmSync(join(folder.path, 'millrace.yaml'))
  const { availableParallelism } = await import('node:os')
  expect(parallelism(await folder.plan(['good.ts']))).toBe(String(availableParallelism()))
})

test('a plan hides the secrets of connectors, in text and as JSON', async () => {
  const pem = '-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEI\\n-----END EC PRIVATE KEY-----\\n'
  folder.writeJob(
    'secret',
    `  const sasl = { mechanism: 'plain', username: 'ada', password: 'swordfish' } as const
  const ssl = { ca: 'authority', cert: 'certificate', key: '${pem}', passphrase: 'opensesame' }
  const properties = { sasl, ssl }
  env.fromSource(KafkaSource.of({ topics: ['t'], value: json(), properties }), WatermarkStrategy.noWatermarks(), 's').print()`,
  )
  const text = await folder.plan(['secret.ts'])
  expect(text).toMatchObject({ code: 0, stderr: '' })
  const asJson = await folder.plan(['secret.ts', '--json'])
  expect(asJson.stdout).toContain('"username": "ada"')
  for (const secret of ['swordfish', 'opensesame', 'MHcCAQEEI']) {
    expect(text.stdout).not.toContain(secret)
    expect(asJson.stdout).not.toContain(secret)
  }
  expect(folder.leftovers()).toEqual([])
})

test('a job in another folder than the one of the command runs too', async () => {
  mkdirSync(join(folder.path, 'jobs'))
  writeFileSync(join(folder.path, 'jobs', 'good.ts'), good)
  expect(await folder.run(['jobs/good.ts', '-p', '1'])).toMatchObject({ code: 0, stdout: '1\n2\n3\n' })
})
