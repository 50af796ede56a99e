/**
 * Immutable named bytes (R5). Names are paths of letters, digits, `.`, `_`, `-` and `/`. One conformance suite holds all
 * implementations (test/unit/state/blob-store-conformance.ts).
 */
export interface BlobStore {
  /** Durable when the promise resolves (R3). Putting a name again with the same bytes is harmless. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** @throws MillraceError MR_CHECKPOINT_DAMAGED naming the blob where it is missing */
  get(name: string): Promise<Buffer>
  getRange(name: string, offset: number, length: number): Promise<Buffer>
  /** Missing names are ignored. */
  delete(names: readonly string[]): Promise<void>
  list(prefix: string): Promise<readonly string[]>
}

/** A blob with what is needed to trust it. */
export interface BlobReference {
  readonly name: string
  readonly length: number
  /** CRC-32C of the bytes. */
  readonly checksum: number
}
