// npm run bench -- w1|w2 [--tier untyped|typed|columns] [--set long|default|short] [--runs 5] [--warm 1]
// Runs the workload through the command line as a user would and prints one JSON line, as bench/peers/bench.sh does for the peers.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { SlotFigures } from './jobs/measuring.ts'

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
const workload = positionals[0] ?? ''
const tiers = workload === 'w2' ? ['untyped', 'typed', 'columns'] : ['untyped', 'typed']
const suffix = { long: 'l', default: '', short: 's' }[flags.set]
if (!['w1', 'w2'].includes(workload) || suffix === undefined || !tiers.includes(flags.tier)) {
  process.stderr.write(
    'usage: npm run bench -- w1|w2 [--tier untyped|typed|columns] [--set long|default|short] [--runs n] [--warm n]\n',
  )
  process.exit(2)
}
const peers =
  process.env['PEERS_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-peers')
const bootstrap = process.env['BOOTSTRAP'] ?? '127.0.0.1:9092'
const expected = JSON.parse(readFileSync(join(peers, 'data', `expect-${workload}${suffix}.json`), 'utf8')) as {
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
  readonly checksum: string
}

const runs: Run[] = []
for (let run = 0; run < Number(flags.runs); run++) {
  runs.push(await measure())
  process.stderr.write(`${JSON.stringify(runs.at(-1))}\n`)
}
const warm = Math.min(Number(flags.warm), runs.length - 1)
const timed = runs.slice(warm).toSorted((a, b) => a.seconds - b.seconds)
const median = timed[timed.length >> 1]
if (median === undefined) throw new Error('no runs')
process.stdout.write(
  `${JSON.stringify({
    peer: 'millrace',
    workload: `${workload}${suffix}`,
    variant: workload === 'w1' ? 'bytes' : flags.tier,
    records: expected.records,
    seconds: round(median.seconds),
    records_per_s: Math.round(expected.records / median.seconds),
    cpu_s: round(median.cpuSeconds),
    broker_cpu_s: round(median.brokerCpuSeconds),
    cpu_total_s: round(median.totalCpuSeconds),
    peak_rss_mb: Math.round(median.peakMb),
    first_record_s: round(median.firstRecordSeconds),
    checksum: median.checksum,
    runs: runs.map((each) => Math.round(expected.records / each.seconds)),
    warm,
    expected: expected.checksum,
    ok: runs.every((each) => each.checksum === expected.checksum),
  })}\n`,
)

async function measure(): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const startedMs = Number(process.hrtime.bigint()) / 1e6
  const brokerBefore = brokerCpuSeconds()
  const child = spawn(process.execPath, command(folder), {
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
  const count = sum(slots.map((slot) => slot.count))
  const [a, b] = [sum(slots.map((slot) => slot.sums[0])), sum(slots.map((slot) => slot.sums[1]))]
  return {
    seconds: (lastMs - firstMs) / 1000,
    cpuSeconds:
      (Math.max(...slots.map((slot) => slot.lastCpuMs)) - Math.min(...slots.map((slot) => slot.firstCpuMs))) / 1000,
    totalCpuSeconds,
    brokerCpuSeconds: brokerSeconds,
    peakMb,
    firstRecordSeconds: (firstMs - startedMs) / 1000,
    checksum: workload === 'w1' ? `${count}:${a}` : `${count}:${a}:${b}`,
  }
}

function command(folder: string): string[] {
  const settings = workload === 'w1' ? [] : ['-D', 'execution.checkpointing.interval=1s']
  const job = resolve(import.meta.dirname, 'jobs', `${workload}.ts`)
  const topic = process.env['TOPIC'] ?? `peers-${workload}${suffix}`
  const run = [
    resolve(import.meta.dirname, '../bin/millrace.js'),
    'run',
    job,
    '-p',
    flags.parallelism,
    '--json',
    ...settings,
  ]
  return [...run, '--', topic, folder, flags.tier]
}

/** Peak memory of the supervisor and its working process together, and their CPU time, from /proc while they live. */
function watch(child: ChildProcess): { stop(): { readonly peakMb: number; readonly totalCpuSeconds: number } } {
  const peaks = new Map<number, { peakMb: number; cpuSeconds: number }>()
  const look = (): void => {
    const parent = child.pid
    if (parent === undefined) return
    for (const pid of [parent, ...childrenOf(parent)]) {
      const figures = processFigures(pid)
      if (figures !== undefined) peaks.set(pid, figures)
    }
  }
  const timer = setInterval(look, 50)
  return {
    stop() {
      clearInterval(timer)
      const all = [...peaks.values()]
      return { peakMb: sum(all.map((each) => each.peakMb)), totalCpuSeconds: sum(all.map((each) => each.cpuSeconds)) }
    },
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function processFigures(pid: number): { readonly peakMb: number; readonly cpuSeconds: number } | undefined {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    // A process that has just ended has no memory any more.
    return peak === undefined ? undefined : { peakMb: Number(peak) / 1024, cpuSeconds: cpuSecondsOf(pid) }
  } catch {
    return undefined
  }
}

function brokerCpuSeconds(): number {
  const pid = process.env['BROKER_PID']
  return pid === undefined ? 0 : cpuSecondsOf(Number(pid))
}

/** User and system time of a process, from /proc/<pid>/stat in ticks of 1/100 s. */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function round(value: number): number {
  return Number(value.toFixed(3))
}
