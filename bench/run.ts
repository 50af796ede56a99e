// npm run bench -- w1|w2|w3|w6 [--tier untyped|typed|columns, for w2 and w3] [--set long|default|short] [--runs 5] [--warm 1]

// Runs the workload through the command line as a user would and prints one JSON line, as bench/peers/bench.sh does for the peers.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { SlotFigures } from './jobs/measuring.ts'
import { brokerCpuSeconds, watch } from './process-usage.ts'
import { type SteadyFigures, steadyFigures } from './steady.ts'
import { bootstrap, peersFolder, redisPort, workloads } from './workloads.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tier: { type: 'string', default: 'typed' },
    set: { type: 'string', default: 'long' },
    runs: { type: 'string', default: '5' },
    warm: { type: 'string', default: '1' },
    parallelism: { type: 'string', default: '2' },
  },
})
const name = positionals[0] ?? ''
const workload = workloads[name]
// The default set's name has no letter.
const suffix = { long: 'l', default: '', short: 's' }[flags.set]
const tiers = name === 'w2' || name === 'w3' ? ['untyped', 'typed', 'columns'] : ['untyped', 'typed']
if (workload === undefined || suffix === undefined || !tiers.includes(flags.tier)) {
  process.stderr.write(
    'usage: npm run bench -- w1|w2|w3|w6 [--tier untyped|typed|columns] [--set long|default|short] [--runs n] [--warm n]\n',
  )
  process.exit(2)
}
const expected = JSON.parse(readFileSync(join(peersFolder, 'data', `expect-${name}${suffix}.json`), 'utf8')) as {
  readonly records: number
  readonly checksum: string
}

interface Run {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly totalCpuSeconds: number
  readonly brokerCpuSeconds: number
  readonly peakMb: number
  readonly firstRecordSeconds: number
  readonly steady: SteadyFigures | undefined
  readonly checksum: string
}

const runs: Run[] = []
for (let run = 0; run < Number(flags.runs); run++) {
  runs.push(await measure(workload))
  process.stderr.write(`${JSON.stringify(runs.at(-1))}\n`)
}
const warm = Math.min(Number(flags.warm), runs.length - 1)
const timed = runs.slice(warm).toSorted((a, b) => a.seconds - b.seconds)
const median = timed[timed.length >> 1]
if (median === undefined) throw new Error('no runs')
process.stdout.write(
  `${JSON.stringify({
    peer: 'millrace',
    workload: `${name}${suffix}`,
    variant: name === 'w1' ? 'bytes' : flags.tier,
    records: expected.records,
    seconds: round(median.seconds),
    records_per_s: Math.round(expected.records / median.seconds),
    cpu_s: round(median.cpuSeconds),
    broker_cpu_s: round(median.brokerCpuSeconds),
    cpu_total_s: round(median.totalCpuSeconds),
    peak_rss_mb: Math.round(median.peakMb),
    first_record_s: round(median.firstRecordSeconds),
    ...steadyOf(timed.flatMap(({ steady }) => steady ?? [])),
    checksum: median.checksum,
    runs: runs.map((each) => Math.round(expected.records / each.seconds)),
    warm,
    expected: expected.checksum,
    ok: runs.every((each) => each.checksum === expected.checksum),
  })}\n`,
)

async function measure({ prepare, checksum, settings }: (typeof workloads)[string]): Promise<Run> {
  await prepare()
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const startedMs = Number(process.hrtime.bigint()) / 1e6
  const brokerBefore = brokerCpuSeconds()
  const child = spawn(process.execPath, command(folder, settings), {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KAFKA_BROKERS: bootstrap },
  })
  const usage = watch(child)
  const code = await new Promise((settle) => child.on('exit', settle))
  if (code !== 0) throw new Error(`the run ended with exit code ${String(code)}`)
  const { peakMb, totalCpuSeconds } = usage.stop()
  const brokerSeconds = brokerCpuSeconds() - brokerBefore
  const slots = readdirSync(folder)
    .filter((name) => /^\d+-.*\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as SlotFigures)
  rmSync(folder, { recursive: true, force: true })
  const firstMs = Math.min(...slots.map((slot) => slot.firstMs))
  const lastMs = Math.max(...slots.map((slot) => slot.lastMs))
  return {
    seconds: (lastMs - firstMs) / 1000,
    cpuSeconds:
      (Math.max(...slots.map((slot) => slot.lastCpuMs)) - Math.min(...slots.map((slot) => slot.firstCpuMs))) / 1000,
    totalCpuSeconds,
    brokerCpuSeconds: brokerSeconds,
    peakMb,
    firstRecordSeconds: (firstMs - startedMs) / 1000,
    steady: steadyFigures(slots, expected.records),
    checksum: await checksum(slots),
  }
}

function command(folder: string, settings: readonly string[]): string[] {
  const job = resolve(import.meta.dirname, 'jobs', `${name}.ts`)
  const topic = process.env['TOPIC'] ?? `peers-${name}${suffix}`
  const run = [
    resolve(import.meta.dirname, '../bin/millrace.js'),
    'run',
    job,
    '-p',
    flags.parallelism,
    '--json',
    ...settings,
  ]
  return [...run, '--', topic, folder, flags.tier, join(peersFolder, 'data', 'ads.csv'), String(redisPort)]
}

/** Of the run that is the median by this rate: the last four fifths of the records. */
function steadyOf(figures: readonly SteadyFigures[]): { readonly [name: string]: number } {
  const sorted = figures.toSorted((a, b) => a.seconds / a.records - b.seconds / b.records)
  const steady = sorted[sorted.length >> 1]
  if (steady === undefined) return {}
  return {
    steady_records_per_s: Math.round(steady.records / steady.seconds),
    steady_cpu_us_per_record: round((steady.cpuSeconds * 1e6) / steady.records),
  }
}

function round(value: number): number {
  return Number(value.toFixed(3))
}
