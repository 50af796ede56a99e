import { MillraceError } from '../../common/errors.ts'
import { brokerError, brokerErrorCode, brokerErrorName, isTransient } from './broker-errors.ts'
import { type KafkaClient, partitionKey, type RetryLimits } from './kafka-client.ts'
import {
  decodeFindCoordinatorAnswer,
  decodeListOffsetsAnswer,
  decodeOffsetCommitAnswer,
  decodeOffsetFetchAnswer,
  encodeFindCoordinatorRequest,
  encodeListOffsetsRequest,
  encodeOffsetCommitRequest,
  encodeOffsetFetchRequest,
  type IsolationLevel,
  kafkaApis,
  type OffsetAnswer,
  type OffsetQuery,
  type PartitionOffset,
  type TopicPartition,
} from './kafka-protocol.ts'

/** Offsets by `partitionKey`. */
export type Offsets = ReadonlyMap<string, number>

/**
 * The offsets of these partitions at their times; -1 where no record is that young.
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

/** What the group has committed; partitions without a commit are left out. */
export async function committedOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[],
  limits: RetryLimits,
): Promise<Offsets> {
  const found = new Map<string, number>()
  await client.retry(limits, async () => {
    const coordinator = await findCoordinator(client, groupId)
    if (typeof coordinator !== 'number') return coordinator
    const request = encodeOffsetFetchRequest(groupId, partitions)
    const answer = decodeOffsetFetchAnswer(await client.send(coordinator, kafkaApis.offsetFetch, request))
    const code = answer.errorCode || (answer.offsets.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0)
    const error = brokerError(code, `reading the offsets of group ${groupId}`)
    if (isTransient(code)) return error
    if (code !== brokerErrorCode.none) throw error
    for (const offset of answer.offsets) if (offset.offset >= 0) found.set(partitionKey(offset), offset.offset)
    return undefined
  })
  return found
}

/**
 * Commits offsets to a group from outside of it.
 * @throws MillraceError MR_KAFKA; its message says so where the group has members of its own (R19)
 */
export async function commitOffsets(
  client: KafkaClient,
  groupId: string,
  offsets: readonly PartitionOffset[],
  limits: RetryLimits,
): Promise<void> {
  await client.retry(limits, async () => {
    const coordinator = await findCoordinator(client, groupId)
    if (typeof coordinator !== 'number') return coordinator
    const request = encodeOffsetCommitRequest(groupId, offsets)
    const answers = decodeOffsetCommitAnswer(await client.send(coordinator, kafkaApis.offsetCommit, request))
    const code = answers.find(({ errorCode }) => errorCode !== 0)?.errorCode ?? 0
    if (code === brokerErrorCode.none) return undefined
    if (isTransient(code)) return brokerError(code, `committing offsets to group ${groupId}`)
    throw commitError(code, groupId)
  })
}

const membersCodes: readonly number[] = [
  brokerErrorCode.illegalGeneration,
  brokerErrorCode.unknownMember,
  brokerErrorCode.rebalanceInProgress,
  brokerErrorCode.fencedInstance,
]

function commitError(code: number, groupId: string): MillraceError {
  if (!membersCodes.includes(code)) return brokerError(code, `committing offsets to group ${groupId}`)
  return new MillraceError(
    'MR_KAFKA',
    `offsets are not committed to group ${groupId}, since other consumers are members of it: give this source a group of its own (${brokerErrorName(code)})`,
  )
}

/** Node id, or the error to try again for. */
async function findCoordinator(client: KafkaClient, groupId: string): Promise<number | MillraceError> {
  await client.refreshMetadata([])
  const answer = decodeFindCoordinatorAnswer(
    await client.sendToAny(kafkaApis.findCoordinator, encodeFindCoordinatorRequest(groupId)),
  )
  if (answer.errorCode === brokerErrorCode.none) return answer.nodeId
  const error = brokerError(answer.errorCode, `looking for the coordinator of group ${groupId}`)
  if (isTransient(answer.errorCode)) return error
  throw error
}
