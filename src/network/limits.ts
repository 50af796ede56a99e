/** What a peer may send, and how long it may take; checked before anything is allocated (R28). */
export interface NetworkLimits {
  /** One batch of records. */
  readonly maxBatchBytes: number
  /** Frames of all other kinds. */
  readonly maxControlBytes: number
  /** Links that a peer has announced and that nobody here has asked for yet. */
  readonly maxAnnouncedLinks: number
  /** Connections that have not proved the secret yet. */
  readonly maxUnprovenConnections: number
  /** From the beginning of a connection to the last proof. */
  readonly handshakeTimeoutMs: number
  /** A TaskManager that refuses connections is asked so often before it counts as lost. */
  readonly dialAttempts: number
  readonly dialDelayMs: number
  /** How long a link waits for the other TaskManager to dial. */
  readonly awaitedDialMs: number
  /** `heartbeat.interval` */
  readonly heartbeatIntervalMs: number
  /** `heartbeat.timeout` */
  readonly heartbeatTimeoutMs: number
}

export const defaultLimits: NetworkLimits = {
  maxBatchBytes: 256 * 1024 * 1024,
  maxControlBytes: 64 * 1024,
  maxAnnouncedLinks: 100_000,
  maxUnprovenConnections: 64,
  handshakeTimeoutMs: 5_000,
  dialAttempts: 4,
  dialDelayMs: 100,
  awaitedDialMs: 10_000,
  heartbeatIntervalMs: 1_000,
  heartbeatTimeoutMs: 10_000,
}
