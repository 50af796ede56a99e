// npx -c 'node bench/json.ts': CPU of JSON decoders and batch codecs on the record of w2, in
// million records a second of one thread. Samples are long, since the system counts a thread's CPU in steps of 4 ms.
import { batchCodecOf } from '../src/formats/batch-codec.ts'
import type { DataType } from '../src/formats/data-type.ts'
import type { Format } from '../src/formats/format.ts'
import { int32, json, long, record, string, untyped } from '../src/formats/index.ts'

const count = 500_000
const batchSize = 500
const samples = 7

const records = Array.from({ length: count }, (_, index) => ({
  userId: `u${100_000 + ((index * 7919) % 100_000)}`,
  page: `/p/${index % 1000}`,
  ts: 1_690_000_000_000 + index,
  value: index % 100,
}))
const all = record({ userId: string(), page: string(), ts: long(), value: int32() })
const three = record({ userId: string(), ts: long(), value: int32() })

function rate(action: () => void): string {
  const rates = Array.from({ length: samples }, () => {
    const before = process.threadCpuUsage()
    action()
    const used = process.threadCpuUsage(before)
    return count / (used.user + used.system)
  })
  return (rates.toSorted((a, b) => a - b)[samples >> 1] as number).toFixed(1)
}

function decoding(format: Format<unknown>): string {
  const texts = records.map((value) => Buffer.from(JSON.stringify(value)))
  const bytes = Buffer.concat(texts)
  const ends = new Int32Array(count)
  let end = 0
  for (const [index, text] of texts.entries()) {
    end += text.length
    ends[index] = end
  }
  const decoder = format.createDecoder()
  return rate(() => {
    let start = 0
    for (const stop of ends) {
      decoder.decode(bytes, start, stop)
      start = stop
    }
  })
}

function exchanging(type: DataType<unknown>): string {
  const [sender, receiver] = [batchCodecOf(type), batchCodecOf(type)]
  const batches = Array.from({ length: count / batchSize }, (_, index) =>
    records.slice(index * batchSize, (index + 1) * batchSize),
  )
  const encoded = batches.map((batch) => Uint8Array.from(sender.encode(batch, batch.length)))
  const encoding = rate(() => {
    for (const batch of batches) sender.encode(batch, batch.length)
  })
  const reading = rate(() => {
    for (const bytes of encoded) receiver.decode(bytes, batchSize)
  })
  return `encode ${encoding}, decode ${reading}`
}

console.log(`JSON, three of four fields declared: ${decoding(json(three))}`)
console.log(`JSON, all four fields declared: ${decoding(json(all))}`)
console.log(`JSON, untyped: ${decoding(json())}`)
console.log(`batches of ${batchSize}, declared: ${exchanging(all)}`)
console.log(`batches of ${batchSize}, untyped: ${exchanging(untyped())}`)
