// npm run demo: runs examples/page-views.ts, which kills one of its own slots, and checks the identity of every view in the results.
// With KAFKA_BROKERS set the views go through a real topic.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type PageViews, viewOf } from '../examples/page-views.ts'

const brokers = process.env['KAFKA_BROKERS']
const count = brokers === undefined ? 300_000 : 500_000
const viewsPerSecond = 30_000
const folder = mkdtempSync(join(tmpdir(), 'millrace-demo-'))
try {
  const topic = brokers === undefined ? '' : await filledTopic(brokers)
  say(
    `${count.toLocaleString('en-US')} page views from ${topic === '' ? 'a generator' : `topic ${topic}`}; one of the job's slots will be killed on the way`,
  )
  const code = await run(topic)
  process.exitCode = code === 0 ? check() : code
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function filledTopic(bootstrap: string): Promise<string> {
  const { default: kafkajs } = await import('kafkajs')
  const client = new kafkajs.Kafka({
    clientId: 'demo',
    brokers: bootstrap.split(','),
    logLevel: kafkajs.logLevel.ERROR,
  })
  const topic = `page-views-${Date.now()}`
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4 }] })
  await admin.disconnect()
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await producer.connect()
  for (let id = 0; id < count; id += 10_000) {
    const messages = Array.from({ length: Math.min(10_000, count - id) }, (_, index) => ({
      partition: (id + index) % 4,
      value: JSON.stringify(viewOf(id + index)),
    }))
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
  return topic
}

function run(topic: string): Promise<number> {
  const binary = resolve(import.meta.dirname, '../bin/millrace.js')
  const job = resolve(import.meta.dirname, '../examples/page-views.ts')
  const settings = [
    '-p',
    '2',
    '-D',
    'restart-strategy.type=fixed-delay',
    '-D',
    'restart-strategy.fixed-delay.delay=200ms',
  ]
  const args = [binary, 'run', job, ...settings, '--', folder, String(count), topic, String(viewsPerSecond)]
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'inherit' })
  return new Promise((settle) => child.on('exit', (code) => settle(code ?? 1)))
}

/** Prints the results and counts lost and doubled views by their identities. */
function check(): number {
  const results = readdirSync(join(folder, 'results'))
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => readFileSync(join(folder, 'results', name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as PageViews)
  printTable(results)
  const seen = new Uint8Array(count)
  for (const { ids } of results) for (const id of ids) seen[id] = (seen[id] ?? 0) + 1
  const lost = seen.filter((times) => times === 0).length
  const doubled = seen.filter((times) => times > 1).length
  const killed = readdirSync(folder).includes('.slot-killed')
  say(
    `\n${count.toLocaleString('en-US')} views in ${results.length} windows; ${killed ? 'one slot was killed' : 'no slot was killed'}: ${lost} lost, ${doubled} doubled.`,
  )
  if (lost > 0 || doubled > 0 || !killed) return 1
  say('Nothing was lost or doubled.')
  return 0
}

function printTable(results: readonly PageViews[]): void {
  const starts = [...new Set(results.map((result) => result.windowStart))].toSorted((a, b) => a - b)
  const shown = starts.slice(0, 6)
  const pages = [...new Set(results.map((result) => result.page))].toSorted()
  const views = new Map(results.map((result) => [`${result.page} ${result.windowStart}`, result.views]))
  const head = shown.map((start) => new Date(start).toISOString().slice(11, 19).padStart(9)).join('')
  say(
    `\nViews a page and window of 10 s (the first ${shown.length} of ${starts.length} windows)\n${'page'.padEnd(12)}${head}`,
  )
  for (const page of pages) {
    say(page.padEnd(12) + shown.map((start) => String(views.get(`${page} ${start}`) ?? 0).padStart(9)).join(''))
  }
}
