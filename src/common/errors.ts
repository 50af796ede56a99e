/** What is known of an error code: why it happens, what to do, and whether trying again can help. */
export interface ErrorDescription {
  readonly cause: string
  readonly remedy: string
  /** `retryable`: the restart strategy decides. `fatal`: the job fails at once, whatever the restart strategy. */
  readonly severity: 'retryable' | 'fatal'
}

/** The closed list of error codes. Users see the code with the message; docs/errors.md is made from this list. */
export const errorCodes = {
  MR_CONFIGURATION: {
    cause: 'A configuration key, option or flag has a value that is not allowed.',
    remedy: 'Correct what is named; the message says what is allowed.',
    severity: 'fatal',
  },
  MR_JOB_DEFINITION: {
    cause: 'The job can not be built: its file, its default export, or an operator is declared wrongly.',
    remedy: 'Correct the job file at the named place.',
    severity: 'fatal',
  },
  MR_GRAPH_MISMATCH: {
    cause: 'Two evaluations of the job file built different graphs (R38, R40).',
    remedy: 'Make the job file deterministic: build the same operators for the same arguments.',
    severity: 'fatal',
  },
  MR_NOT_ENOUGH_SLOTS: {
    cause: 'The job needs more task slots than there are.',
    remedy: 'Raise taskmanager.numberOfTaskSlots or lower the parallelism.',
    severity: 'fatal',
  },
  MR_USER_FUNCTION: {
    cause: 'A function of the job threw.',
    remedy: 'See the named operator and record; handle the case, or send such records to a side output.',
    severity: 'retryable',
  },
  MR_ASYNC_TIMEOUT: {
    cause: 'An asynchronous function gave no result for a record within its timeout.',
    remedy: 'Raise the timeout or lower the capacity, give onTimeout, or send such records to the dead letters.',
    severity: 'retryable',
  },
  MR_DESERIALIZATION: {
    cause: 'A record can not be decoded by the format of its source.',
    remedy: 'Correct the producer or the format, or give the source a dead-letter output.',
    severity: 'retryable',
  },
  MR_SCHEMA_REGISTRY: {
    cause: 'The schema registry did not answer, or answered with an error.',
    remedy: 'Check the named address, the credentials, and that the registry runs.',
    severity: 'retryable',
  },
  MR_SCHEMA_INCOMPATIBLE: {
    cause:
      'Two schemas do not fit: a reader and a writer, or a new one and those that the registry holds for a subject.',
    remedy: 'Give the new fields defaults, or change the schema as the named place asks.',
    severity: 'fatal',
  },
  MR_NO_CURRENT_KEY: {
    cause: 'Keyed state was used where there is no current key: with a record of a broadcast stream.',
    remedy: 'Reach the state of every key by context.applyToKeyedState, or that of one key where its records come.',
    severity: 'fatal',
  },
  MR_KEY: {
    cause: 'A key selector gave a value that can not be a key (R36).',
    remedy: 'Keys are strings, finite numbers, bigints, booleans, bytes, or tuples of them.',
    severity: 'retryable',
  },
  MR_STATE_TYPE: {
    cause: 'A value does not fit its declared type, in state or between tasks, or can not be serialized (R39).',
    remedy: 'Store plain data of the declared type; class instances and functions are refused.',
    severity: 'retryable',
  },
  MR_STATE_INCOMPATIBLE: {
    cause: 'The snapshot does not fit the job: another graph, type or max parallelism, or state without an operator.',
    remedy: 'Restore with the job that wrote it, or keep uids, types and max parallelism.',
    severity: 'fatal',
  },
  MR_DEAD_LETTER_BUDGET: {
    cause: 'An operator had more dead letters than its budget allows.',
    remedy: 'Look at the dead letters, correct the producer or the function, or raise the budget.',
    severity: 'fatal',
  },
  MR_SLOT_OUT_OF_MEMORY: {
    cause: 'A slot reached the soft limit of its heap (R31).',
    remedy: 'Raise taskmanager.memory.task.heap.size, or keep less in functions and state.',
    severity: 'retryable',
  },
  MR_MANAGED_MEMORY_FULL: {
    cause: 'The off-heap state of a slot reached its managed memory.',
    remedy: 'Raise taskmanager.memory.managed.size or the parallelism.',
    severity: 'retryable',
  },
  MR_SLOT_LOST: {
    cause: 'The thread of a slot ended unexpectedly.',
    remedy: 'See the named exit code and the log before it.',
    severity: 'retryable',
  },
  MR_CANCELLATION_TIMEOUT: {
    cause: 'A cancelled task did not stop within task.cancellation.timeout (R32).',
    remedy: 'Do not block the thread in native synchronous calls.',
    severity: 'retryable',
  },
  MR_CHECKPOINT_TIMEOUT: {
    cause: 'A checkpoint was not complete within execution.checkpointing.timeout.',
    remedy: 'Look at alignment and state size; raise the timeout.',
    severity: 'retryable',
  },
  MR_CHECKPOINT_DECLINED: {
    cause: 'A subtask could not write its part of a checkpoint.',
    remedy: 'See the named cause, mostly the checkpoint storage.',
    severity: 'retryable',
  },
  MR_CHECKPOINT_FAILURES: {
    cause: 'More checkpoints in a row failed than execution.checkpointing.tolerable-failed-checkpoints allows.',
    remedy: 'See the last failure.',
    severity: 'retryable',
  },
  MR_CHECKPOINT_DAMAGED: {
    cause: 'A blob of a checkpoint is missing or its checksum is wrong (I6).',
    remedy: 'Restore the named file, or go back to an older checkpoint by --from chk-<n> (R9).',
    severity: 'fatal',
  },
  MR_CHECKPOINT_NOT_FOUND: {
    cause: 'The checkpoint to start from does not exist.',
    remedy: 'Name one that is there, or start --from latest.',
    severity: 'fatal',
  },
  MR_STORAGE: {
    cause: 'The checkpoint storage refused an operation.',
    remedy: 'See the named path: rights, space, file system.',
    severity: 'retryable',
  },
  MR_FENCED: {
    cause: 'A write of a leader was refused: another one leads by now (I1).',
    remedy: 'Nothing: the new leader goes on. Where it happens often, look at pauses of the JobManagers.',
    severity: 'retryable',
  },
  MR_REVISION_MISMATCH: {
    cause: 'What Redis holds of a job is not what the leader wrote last: Redis has lost data (R25).',
    remedy: 'Nothing: the leader claims again and looks at what is there. See the durability settings of Redis.',
    severity: 'retryable',
  },
  MR_STATE_LOST: {
    cause: 'Redis knows less than it did: data was lost, or it is another Redis (R25).',
    remedy:
      'Restore the data of Redis, or give the cluster another high-availability.cluster-id and start its jobs from a checkpoint that is left.',
    severity: 'fatal',
  },
  MR_JOB_BUNDLE: {
    cause: 'The bundle of a job is missing in Redis, or its content is not what its name says.',
    remedy: 'Submit the job again.',
    severity: 'fatal',
  },
  MR_REDIS_UNAVAILABLE: {
    cause: 'Redis can not be reached, or refuses commands for now; what was asked for was not done.',
    remedy: 'See the named address and reason: the server, its disk, its memory, the network.',
    severity: 'retryable',
  },
  MR_REDIS_UNDETERMINED: {
    cause: 'A connection to Redis was lost before a write was known to be durable (R3).',
    remedy: 'See the named address and reason: the server or the network.',
    severity: 'retryable',
  },
  MR_REDIS_FULL: {
    cause: 'Redis has reached its maxmemory and refuses to write.',
    remedy: 'Raise maxmemory of the named server, or keep less in it.',
    severity: 'retryable',
  },
  MR_REDIS_CONFIGURATION: {
    cause: 'A Redis server is not set up so that Millrace may rely on it, or refuses the log-in.',
    remedy: 'Change what the message names, on the server or in the configuration.',
    severity: 'fatal',
  },
  MR_RUN_LOCKED: {
    cause: 'Another process runs this job on the same checkpoint folder (R11).',
    remedy: 'Stop the named process, or use another execution.checkpointing.dir.',
    severity: 'fatal',
  },
  MR_KAFKA_UNREACHABLE: {
    cause: 'No broker of the bootstrap list answered.',
    remedy: 'Check the addresses, TLS and SASL options, and that Kafka runs.',
    severity: 'retryable',
  },
  MR_KAFKA_LOGIN: {
    cause: 'A Kafka broker refused the log-in: wrong credentials, or a mechanism that it does not offer.',
    remedy: 'Correct properties.sasl: user, password, token or mechanism; or the user on the broker.',
    severity: 'fatal',
  },
  MR_KAFKA_TOPIC: {
    cause: 'A topic does not exist, or may not be read or written.',
    remedy: 'Create the topic, or correct its name or the rights.',
    severity: 'fatal',
  },
  MR_KAFKA_OFFSET: {
    cause: 'An offset to read from or to lies outside the log (R18).',
    remedy: 'The records are gone or were never there: choose other offsets by hand.',
    severity: 'fatal',
  },
  MR_KAFKA_CORRUPT: {
    cause: 'A record batch is damaged: wrong checksum, length or format.',
    remedy: 'Check the broker and its disk; the message names topic, partition and offset.',
    severity: 'retryable',
  },
  MR_KAFKA: {
    cause: 'Kafka answered with an error.',
    remedy: 'See the named error.',
    severity: 'retryable',
  },
  MR_SOURCE_FILE: {
    cause: 'A file of a source can not be read, is gone before its end was reached, has changed, or is damaged.',
    remedy: 'Restore the named file. Move files into the folder when they are complete, and leave them as they are.',
    severity: 'retryable',
  },
  MR_SINK: {
    cause: 'A sink could not write or commit.',
    remedy: 'See the named cause.',
    severity: 'retryable',
  },
  MR_SINK_RECORD: {
    cause: 'A sink refused a record when it was given to it.',
    remedy: 'See the named cause; give the sink a dead-letter output where such records may come.',
    severity: 'retryable',
  },
  MR_TRANSACTION_LOST: {
    cause: 'A committed checkpoint names output that can not be published any more (R17).',
    remedy: 'The message names what is lost; --accept-duplicates goes on from an older checkpoint.',
    severity: 'fatal',
  },
  MR_RESTARTS_EXHAUSTED: {
    cause: 'The restart strategy gave up.',
    remedy: 'See the last failure; fix it and start again from the latest checkpoint.',
    severity: 'fatal',
  },
  MR_TEST: {
    cause: 'A test waited in vain, or asked the test cluster for what can not be done now.',
    remedy: 'See the named state of the job.',
    severity: 'fatal',
  },
  MR_PROCESS_LOST: {
    cause:
      'The working process of a run ended: native code crashed, the kernel needed memory, or someone killed it (R30).',
    remedy: 'See the named signal or exit code; a job with checkpoints goes on by --from latest.',
    severity: 'retryable',
  },
  MR_MESSAGE_DAMAGED: {
    cause:
      'A message between processes of the cluster can not be read: another version of Millrace wrote it, or something else writes to the cluster’s streams.',
    remedy:
      'Run one version of Millrace in all processes of a cluster, and give each cluster a high-availability.cluster-id of its own.',
    severity: 'retryable',
  },
  MR_TASK_MANAGER_LOST: {
    cause: 'A TaskManager is gone, or the data connection to it broke.',
    remedy: 'What ran there restarts from the latest checkpoint; see the log of the named TaskManager for the reason.',
    severity: 'retryable',
  },
  MR_DATA_CONNECTION: {
    cause:
      'What arrived on the data port of a TaskManager is not what another TaskManager of this cluster sends (R28).',
    remedy:
      'Give all TaskManagers the same version and security.cluster-secret, and keep strangers from the data port.',
    severity: 'retryable',
  },
  MR_BATCH_TOO_LARGE: {
    cause: 'A batch of records is larger than what may be sent to another TaskManager.',
    remedy: 'Make the records smaller, for instance by references to what is large in them.',
    severity: 'fatal',
  },
  MR_JOB_NOT_FOUND: {
    cause: 'The cluster knows no job of this id or name, or more than one of this name.',
    remedy: 'millrace list -a shows the jobs with their ids.',
    severity: 'fatal',
  },
  MR_TASK_MANAGER_NOT_FOUND: {
    cause: 'The cluster knows no TaskManager of this id.',
    remedy: 'GET /taskmanagers names those that are there; one that starts again has a new id.',
    severity: 'fatal',
  },
  MR_REQUEST: {
    cause: 'A request to the REST server can not be understood: its path, parameters or body.',
    remedy: 'See the named field; docs/rest.md and /openapi.json describe the requests.',
    severity: 'fatal',
  },
  MR_REQUEST_TOO_LARGE: {
    cause: 'The body of a request, mostly the bundle of a job, is larger than the REST server takes.',
    remedy: 'Raise rest.server.max-content-length on the JobManagers, or make the bundle smaller.',
    severity: 'fatal',
  },
  MR_UNAUTHORIZED: {
    cause: 'The REST server wants another token, or refuses requests from elsewhere while it has none.',
    remedy: 'Set MILLRACE_SECURITY_REST_TOKEN, or security.rest.token, to the token of the cluster.',
    severity: 'fatal',
  },
  MR_NO_LEADER: {
    cause: 'No JobManager leads at the moment, so nobody can answer for the cluster.',
    remedy: 'Wait: another one takes over within seconds. If it lasts, see the logs of the JobManagers.',
    severity: 'retryable',
  },
  MR_CLUSTER_UNREACHABLE: {
    cause: 'No JobManager answered at the given addresses.',
    remedy: 'Check -m host:port (or rest.address and rest.port), and that a JobManager runs there.',
    severity: 'retryable',
  },
  MR_INTERNAL: {
    cause: 'An invariant of Millrace does not hold.',
    remedy: 'Please report it with the message and the log.',
    severity: 'fatal',
  },
} as const satisfies Readonly<Record<string, ErrorDescription>>

export type ErrorCode = keyof typeof errorCodes

const brand: unique symbol = Symbol.for('millrace.error') as never

/** The only error class of Millrace: a code of the closed list, one clear message, and where it happened. */
export class MillraceError extends Error {
  readonly [brand] = true
  override readonly name = 'MillraceError'
  readonly code: ErrorCode
  /** Name of the operator whose code or state is concerned. */
  readonly operator: string | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly operator?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.operator = options.operator
  }
}

/** True for an error of ours, also of another copy of this package or of another realm. */
export function isMillraceError(error: unknown): error is MillraceError {
  return typeof error === 'object' && error !== null && brand in error
}

/** An error as plain data, to cross threads and actors. */
export interface ErrorData {
  readonly code: ErrorCode
  readonly message: string
  readonly operator?: string
  readonly stack?: string
}

export function errorData(error: unknown, code: ErrorCode = 'MR_INTERNAL'): ErrorData {
  if (isMillraceError(error)) {
    return {
      code: error.code,
      message: error.message,
      ...(error.operator === undefined ? {} : { operator: error.operator }),
      ...stackOf(error.cause instanceof Error ? error.cause : error),
    }
  }
  if (error instanceof Error) return { code, message: error.message, ...stackOf(error) }
  return { code, message: String(error) }
}

function stackOf(error: Error): { readonly stack?: string } {
  return error.stack === undefined ? {} : { stack: error.stack }
}

export function errorOf(data: ErrorData): MillraceError {
  const error = new MillraceError(
    data.code,
    data.message,
    data.operator === undefined ? {} : { operator: data.operator },
  )
  if (data.stack !== undefined) error.stack = data.stack
  return error
}

/** Text of any thrown value, for messages. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
