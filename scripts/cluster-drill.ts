// npm run cluster-drill -- --leader-kills 20 --task-manager-kills 5 --leader-pauses 2: an exactly-once job from Kafka to Kafka on a
// cluster of 2 JobManagers and 3 TaskManagers, hit by faults in a random order; tells of each, and of what was lost or doubled.
// The last line is the report as JSON. Exit code 1: something was lost or doubled, or the drill could not be ended.
// --logs FOLDER keeps what the processes printed. It starts a Redis of its own, and a Kafka, unless KAFKA_BOOTSTRAP names one.
import { parseArgs } from 'node:util'
import { clusterDrill, type Fault, type FaultReport } from '../test/integration/support/cluster-drill.ts'
import { seeded } from '../test/integration/support/drill.ts'
import { setUpMachine, startKafka } from '../test/integration/support/kafka.ts'

/** About how long one takes, until the job commits again. */
const secondsOf: Readonly<Record<Fault, number>> = {
  leaderKill: 7,
  leaderPause: 10,
  taskManagerKill: 8,
  redisRestart: 8,
  kafkaRestart: 20,
}

const { values } = parseArgs({
  options: {
    'leader-kills': { type: 'string', default: '3' },
    'leader-pauses': { type: 'string', default: '1' },
    'task-manager-kills': { type: 'string', default: '2' },
    'redis-restarts': { type: 'string', default: '0' },
    'kafka-restarts': { type: 'string', default: '0' },
    'records-per-second': { type: 'string', default: '10000' },
    'checkpoint-interval-ms': { type: 'string', default: '1000' },
    logs: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const seed = Number(values.seed)
const recordsPerSecond = Number(values['records-per-second'])
const faults = shuffled([
  ...repeated('leaderKill', values['leader-kills']),
  ...repeated('leaderPause', values['leader-pauses']),
  ...repeated('taskManagerKill', values['task-manager-kills']),
  ...repeated('redisRestart', values['redis-restarts']),
  ...repeated('kafkaRestart', values['kafka-restarts']),
])
const records = recordsPerSecond * faults.reduce((seconds, fault) => seconds + secondsOf[fault], 10)

const given = process.env['KAFKA_BOOTSTRAP']
const isOwn = given === undefined || given === ''
if (isOwn) await setUpMachine()
if (!isOwn && faults.includes('kafkaRestart'))
  throw new Error('--kafka-restarts needs a Kafka of the drill: unset KAFKA_BOOTSTRAP')
const kafka = isOwn ? await startKafka({ name: 'cluster-drill' }) : undefined
try {
  say(`seed ${seed}: ${records.toLocaleString('en-US')} records, ${faults.length} faults`)
  const report = await clusterDrill({
    bootstrap: kafka?.bootstrap ?? given ?? '',
    ...(kafka === undefined ? {} : { kafka }),
    faults,
    records,
    recordsPerSecond,
    checkpointIntervalMs: Number(values['checkpoint-interval-ms']),
    leaseMs: 3000,
    seed,
    awaitsCommits: true,
    ...(values.logs === undefined ? {} : { logFolder: values.logs }),
    onFault: tell,
  })
  const { clientOutput, ...figures } = report
  const isRight = report.state === 'FINISHED' && report.wrong.length === 0 && report.missed === 0
  if (!isRight) say(clientOutput)
  say(
    `${report.state} after ${report.seconds.toFixed(1)} s, ${report.restarts} restarts: ${report.lost} lost, ${report.doubled} doubled`,
  )
  say(JSON.stringify(figures))
  process.exitCode = isRight ? 0 : 1
} finally {
  await kafka?.stop()
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function tell({ fault, atMs, withoutLeaderMs, uncommittedPauseMs, committedPauseMs, restarts }: FaultReport): void {
  const leader = withoutLeaderMs === undefined ? '' : `, ${withoutLeaderMs} ms without a leader`
  say(
    `${(atMs / 1000).toFixed(1).padStart(7)} s  ${fault.padEnd(15)} written: longest pause ${uncommittedPauseMs} ms, committed: ${committedPauseMs} ms${leader}, ${restarts} restarts`,
  )
}

function repeated(fault: Fault, times: string): readonly Fault[] {
  return Array.from({ length: Number(times) }, () => fault)
}

function shuffled(list: readonly Fault[]): readonly Fault[] {
  const random = seeded(seed)
  return list
    .map((fault) => ({ fault, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ fault }) => fault)
}
