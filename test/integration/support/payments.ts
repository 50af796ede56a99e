import { createRequire } from 'node:module'
import type { Kafka as KafkaClient } from 'kafkajs'

const { Kafka, logLevel, Partitioners } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs')

/** A record that carries its own identity. */
export interface Payment {
  readonly id: number
  readonly user: string
  readonly amount: number
}

/** What a running sum says after each payment. */
export interface RunningSum {
  readonly id: number
  readonly user: string
  readonly count: number
  readonly sum: number
}

export const users = 5000

/** Payment number `id`: a fixed function of it, so that reference sums can be computed anywhere. */
export function payment(id: number): Payment {
  const mixed = Math.imul(id ^ (id >>> 15), 0x2c1b3c6d) >>> 0
  return { id, user: `u${mixed % users}`, amount: (mixed >>> 8) % 1000 }
}

export function kafkaClient(bootstrap: string): KafkaClient {
  return new Kafka({ clientId: 'test', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
}

/** It keeps records of any event time: by default a broker deletes old ones within minutes. */
export async function createTopic(client: KafkaClient, topic: string, numPartitions: number): Promise<void> {
  const configEntries = [{ name: 'retention.ms', value: '-1' }]
  const admin = client.admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, configEntries }] })
  await admin.disconnect()
}

/** Writes payments [from, to): a user's payments go to one partition, in order. */
export async function fillPayments(client: KafkaClient, topic: string, from: number, to: number): Promise<void> {
  await fillTopic(client, topic, to - from, {
    recordOf: (index) => {
      const value = payment(from + index)
      return { key: value.user, value: JSON.stringify(value) }
    },
  })
}

/** Writes `count` records: those of a key go to one partition, in order. */
export async function fillTopic(
  client: KafkaClient,
  topic: string,
  count: number,
  options: {
    readonly recordOf: (index: number) => { readonly key: string; readonly value: string }
    /** Over all partitions. */
    readonly recordsABatch?: number
  },
): Promise<void> {
  const { recordOf, recordsABatch = 10_000 } = options
  const producer = client.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  for (let start = 0; start < count; start += recordsABatch) {
    const messages = Array.from({ length: Math.min(recordsABatch, count - start) }, (_, index) =>
      recordOf(start + index),
    )
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
}

/**
 * Holds the published running sums against the reference: every payment once, and after each the right count and sum of its
 * user. Gives a list of what is wrong, empty when all is right.
 */
export function faultsOf(records: readonly RunningSum[], count: number): string[] {
  const faults: string[] = []
  const seen = new Map<number, RunningSum>()
  let doubled = 0
  for (const record of records) {
    if (seen.has(record.id)) doubled++
    seen.set(record.id, record)
  }
  if (doubled > 0) faults.push(`${doubled} doubled`)
  const sums = new Map<string, { count: number; sum: number }>()
  let lost = 0
  let wrong = 0
  for (let id = 0; id < count; id++) {
    const { user, amount } = payment(id)
    const running = sums.get(user) ?? { count: 0, sum: 0 }
    running.count++
    running.sum += amount
    sums.set(user, running)
    const record = seen.get(id)
    if (record === undefined) lost++
    else if (record.user !== user || record.count !== running.count || record.sum !== running.sum) wrong++
  }
  if (lost > 0) faults.push(`${lost} lost`)
  if (wrong > 0) faults.push(`${wrong} wrong`)
  if (records.length !== count) faults.push(`${records.length} records instead of ${count}`)
  return faults
}
