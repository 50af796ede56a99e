// npx -c 'node bench/network.ts [--seconds 5] [--channels 4] [--type declared|untyped]'
// One edge between two slots: in one process (a port between two threads), then between two processes (the data network over
// loopback). Records of four fields in batches of 512. Prints a line of JSON each: records a second, bytes, CPU of all processes.
import { type ChildProcess, fork } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'
import { channelId, deploymentId } from '../src/common/ids.ts'
import { hashKey } from '../src/common/key.ts'
import { silentLogger } from '../src/common/logger.ts'
import { systemPorts } from '../src/common/system-ports.ts'
import { batchCodecOf } from '../src/formats/batch-codec.ts'
import type { BatchCodec } from '../src/formats/format.ts'
import { double, record, string } from '../src/formats/index.ts'
import { DataNetwork } from '../src/network/data-network.ts'
import { InputChannel, isControl } from '../src/task/input-channel.ts'
import { OutputChannel } from '../src/task/output-channel.ts'
import { PeerLink } from '../src/task/peer-link.ts'
import { RecordBatch, recordsPerBatch } from '../src/task/record-batch.ts'
import { ThreadPort } from '../src/task/thread-port.ts'
import { turn } from '../src/task/turn.ts'

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    channels: { type: 'string', default: '4' },
    type: { type: 'string', default: 'declared' },
    receiver: { type: 'boolean', default: false },
  },
})
const declared = record({ userId: string(), page: string(), ts: double(), value: double() })

interface SlotData {
  readonly role: 'sender' | 'receiver'
  readonly port: MessagePort
  readonly seconds: number
  readonly channels: number
  readonly type: string
}

interface Received {
  readonly records: number
  readonly milliseconds: number
  readonly checksum: number
}

const codecOf = (type: string): BatchCodec => batchCodecOf(type === 'declared' ? declared : { kind: 'untyped' })

// ---- slots ----

class Waker {
  #resume = (): void => {}

  readonly wake = (): void => this.#resume()

  async sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#resume = resolve
    })
  }
}

async function send({ port, seconds, channels, type }: SlotData): Promise<void> {
  const waker = new Waker()
  const link = new PeerLink(new ThreadPort(port), waker.wake)
  const outputs = Array.from({ length: channels }, (_, index) => {
    return new OutputChannel(link.openOutput(channelId(`c${index}`), codecOf(type)), true)
  })
  const records = Array.from({ length: recordsPerBatch }, (_, index) => {
    return {
      userId: `user-${index * 37}`,
      page: `/page/${index % 20}`,
      ts: 1_700_000_000_000 + index,
      value: index / 2,
    }
  })
  const hashes = records.map(({ userId }) => hashKey(userId))
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    const writable = outputs.filter((output) => output.writable)
    for (const output of writable) {
      for (let index = 0; index < recordsPerBatch; index++) {
        output.addHashed(records[index], 1_700_000_000_000 + index, hashes[index] as number)
      }
    }
    if (link.poll() || writable.length > 0) await turn()
    else await waker.sleep()
  }
  for (const output of outputs) output.control({ type: 'end' })
}

async function receive({ port, channels, type }: SlotData): Promise<Received> {
  const waker = new Waker()
  const link = new PeerLink(new ThreadPort(port), waker.wake)
  const inputs = Array.from({ length: channels }, (_, index) => {
    const input = new InputChannel()
    link.addInput(channelId(`c${index}`), input, codecOf(type))
    return input
  })
  const reading = new Reading()
  while (reading.ended < channels) {
    let worked = link.poll()
    for (const input of inputs) worked = reading.read(input) || worked
    if (worked) await turn()
    else await waker.sleep()
  }
  return reading.result()
}

class Reading {
  ended = 0
  #records = 0
  #checksum = 0
  #begin = 0

  /** One item, if there is one. */
  read(input: InputChannel): boolean {
    const item = input.take()
    if (item === undefined) return false
    if (item instanceof RecordBatch) {
      if (this.#begin === 0) this.#begin = performance.now()
      this.#records += item.count
      this.#checksum += (item.values[item.count - 1] as { readonly value: number }).value
      input.giveBack()
    } else if (isControl(item) && item.type === 'end') this.ended++
    return true
  }

  result(): Received {
    return { records: this.#records, milliseconds: performance.now() - this.#begin, checksum: this.#checksum }
  }
}

function startSlot(role: SlotData['role'], port: MessagePort): Promise<Received> {
  const data: SlotData = {
    role,
    port,
    seconds: Number(flags.seconds),
    channels: Number(flags.channels),
    type: flags.type,
  }
  const worker = new Worker(new URL(import.meta.url), { workerData: data, transferList: [port] })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

// ---- processes ----

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function report(how: string, { records, milliseconds }: Received, cpu: number): void {
  console.log(
    JSON.stringify({
      edge: how,
      type: flags.type,
      channels: Number(flags.channels),
      recordsPerSecond: Math.round((records / milliseconds) * 1000),
      cpuMicrosecondsPerRecord: Number(((cpu / records) * 1e6).toFixed(3)),
    }),
  )
}

async function inProcess(): Promise<void> {
  const { port1, port2 } = new MessageChannel()
  const before = cpuSeconds()
  const received = startSlot('receiver', port2)
  void startSlot('sender', port1)
  report('in one process', await received, cpuSeconds() - before)
}

function listen(taskManager: string): Promise<DataNetwork> {
  const { clock, ids } = systemPorts
  return DataNetwork.listen({
    taskManager,
    secret: 'bench',
    host: '127.0.0.1',
    port: 0,
    clock,
    ids,
    logger: silentLogger,
  })
}

/** The slot's end of a link of this process. */
function linked(network: DataNetwork, jobSlot: number, taskManager: string, dataAddress: string): MessagePort {
  const { port1, port2 } = new MessageChannel()
  const link = { deploymentId: deploymentId('bench'), jobSlot, remoteJobSlot: 1 - jobSlot, taskManager, dataAddress }
  network.connect(link, new ThreadPort(port2))
  return port1
}

async function receiverProcess(): Promise<void> {
  const network = await listen('b')
  const received = startSlot('receiver', linked(network, 1, 'a', ''))
  const before = cpuSeconds()
  process.send?.({ address: network.address })
  const result = await received
  process.send?.({ received: result, cpu: cpuSeconds() - before })
}

function messageOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as T))
  })
}

async function betweenProcesses(): Promise<void> {
  const child = fork(new URL(import.meta.url), [...process.argv.slice(2), '--receiver'])
  const { address } = await messageOf<{ address: string }>(child)
  const network = await listen('a')
  const before = cpuSeconds()
  void startSlot('sender', linked(network, 0, 'b', address))
  const { received, cpu } = await messageOf<{ received: Received; cpu: number }>(child)
  report('between two processes, over TCP', received, cpu + cpuSeconds() - before)
  child.kill()
}

if (!isMainThread) {
  const data = workerData as SlotData
  parentPort?.postMessage(data.role === 'sender' ? await send(data) : await receive(data))
} else if (flags.receiver) {
  await receiverProcess()
} else {
  await inProcess()
  await betweenProcesses()
  process.exit()
}
