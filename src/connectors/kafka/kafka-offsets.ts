import { MillraceError } from '../../common/errors.ts'
import { brokerError, brokerErrorCode, isTransient } from './broker-errors.ts'
import type { Offsets } from './kafka-admin.ts'
import { type KafkaClient, partitionKey, type RetryLimits } from './kafka-client.ts'
import {
  decodeListOffsetsAnswer,
  encodeListOffsetsRequest,
  type IsolationLevel,
  kafkaApis,
  type OffsetAnswer,
  type OffsetQuery,
} from './kafka-protocol.ts'

/**
 * The offsets of these partitions at their times; -1 where no record is that young. By a request of our own, since
 * kafkajs can not ask for the end of a log that has open transactions.
 * @throws MillraceError MR_KAFKA_TOPIC, MR_KAFKA_UNREACHABLE, MR_KAFKA
 */
export async function listOffsets(
  client: KafkaClient,
  queries: readonly OffsetQuery[],
  isolation: IsolationLevel,
  limits: RetryLimits,
): Promise<Offsets> {
  const found = new Map<string, number>()
  await client.retry(limits, async () => {
    const open = queries.filter((query) => !found.has(partitionKey(query)))
    if (open.length === 0) return undefined
    await client.refreshMetadata([...new Set(open.map(({ topic }) => topic))])
    const byLeader = Map.groupBy(open, (query) => client.leaderOf(query))
    const errors = await Promise.all(
      [...byLeader].map(async ([leader, ofLeader]) => {
        if (leader === undefined) return withoutLeader(ofLeader)
        const request = encodeListOffsetsRequest(ofLeader, isolation)
        return keepOffsets(decodeListOffsetsAnswer(await client.send(leader, kafkaApis.listOffsets, request)), found)
      }),
    )
    return errors.find((error) => error !== undefined)
  })
  return found
}

function withoutLeader(queries: readonly OffsetQuery[]): MillraceError {
  const names = queries.map(({ topic, partition }) => `topic ${topic}, partition ${partition}`).join('; ')
  return new MillraceError('MR_KAFKA', `there is no leader now for ${names}`)
}

/** The error to try again for, if any. */
function keepOffsets(answers: readonly OffsetAnswer[], found: Map<string, number>): MillraceError | undefined {
  let again: MillraceError | undefined
  for (const answer of answers) {
    const { errorCode, topic, partition } = answer
    const error = brokerError(errorCode, `asking for offsets of topic ${topic}, partition ${partition}`)
    if (errorCode === brokerErrorCode.none) found.set(partitionKey(answer), answer.offset)
    else if (isTransient(errorCode)) again = error
    else throw error
  }
  return again
}
