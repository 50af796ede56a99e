import { MillraceError } from '../../common/errors.ts'

/** Codes of Kafka's protocol that are handled one by one. */
export const brokerErrorCode = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  invalidTopic: 17,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  unsupportedSaslMechanism: 33,
  illegalSaslState: 34,
  saslAuthenticationFailed: 58,
  fencedInstance: 82,
} as const

/** What is said of a code in messages: Kafka's own names, of those that a consumer or producer can meet. */
const names: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  8: 'BROKER_NOT_AVAILABLE',
  9: 'REPLICA_NOT_AVAILABLE',
  10: 'MESSAGE_TOO_LARGE',
  13: 'NETWORK_EXCEPTION',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  18: 'RECORD_LIST_TOO_LARGE',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  21: 'INVALID_REQUIRED_ACKS',
  22: 'ILLEGAL_GENERATION',
  24: 'INVALID_GROUP_ID',
  25: 'UNKNOWN_MEMBER_ID',
  27: 'REBALANCE_IN_PROGRESS',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  33: 'UNSUPPORTED_SASL_MECHANISM',
  34: 'ILLEGAL_SASL_STATE',
  32: 'INVALID_TIMESTAMP',
  35: 'UNSUPPORTED_VERSION',
  43: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  44: 'POLICY_VIOLATION',
  45: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  46: 'DUPLICATE_SEQUENCE_NUMBER',
  47: 'INVALID_PRODUCER_EPOCH',
  48: 'INVALID_TXN_STATE',
  49: 'INVALID_PRODUCER_ID_MAPPING',
  50: 'INVALID_TRANSACTION_TIMEOUT',
  51: 'CONCURRENT_TRANSACTIONS',
  52: 'TRANSACTION_COORDINATOR_FENCED',
  53: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  55: 'OPERATION_NOT_ATTEMPTED',
  56: 'KAFKA_STORAGE_ERROR',
  58: 'SASL_AUTHENTICATION_FAILED',
  59: 'UNKNOWN_PRODUCER_ID',
  72: 'LISTENER_NOT_FOUND',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  76: 'UNSUPPORTED_COMPRESSION_TYPE',
  78: 'OFFSET_NOT_AVAILABLE',
  82: 'FENCED_INSTANCE_ID',
  87: 'INVALID_RECORD',
  90: 'PRODUCER_FENCED',
  100: 'UNKNOWN_TOPIC_ID',
}

/** Codes that pass by themselves: a leader or coordinator moves, a broker starts, a topic is being made known. */
const transient: ReadonlySet<number> = new Set([-1, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 56, 72, 74, 75, 78, 100])

/** True where asking again, after fresh metadata, can help. */
export function isTransient(code: number): boolean {
  return transient.has(code)
}

/** `NOT_LEADER_OR_FOLLOWER (6)` */
export function brokerErrorName(code: number): string {
  return `${names[code] ?? 'an unknown error'} (${code})`
}

/** A code of Kafka as an error. @param what what was done, such as `fetching topic ads, partition 3` */
export function brokerError(code: number, what: string): MillraceError {
  switch (code) {
    case brokerErrorCode.unknownTopicOrPartition:
    case brokerErrorCode.invalidTopic:
      return new MillraceError(
        'MR_KAFKA_TOPIC',
        `${what}: there is no such topic or partition: ${brokerErrorName(code)}`,
      )
    case brokerErrorCode.topicAuthorizationFailed:
      return new MillraceError('MR_KAFKA_TOPIC', `${what}: the topic may not be read: ${brokerErrorName(code)}`)
    case brokerErrorCode.offsetOutOfRange:
      return new MillraceError('MR_KAFKA_OFFSET', `${what}: ${brokerErrorName(code)}`)
    case brokerErrorCode.corruptMessage:
      return new MillraceError('MR_KAFKA_CORRUPT', `${what}: ${brokerErrorName(code)}`)
    default:
      return new MillraceError('MR_KAFKA', `${what}: ${brokerErrorName(code)}`)
  }
}
