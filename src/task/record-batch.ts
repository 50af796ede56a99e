/** Records of a batch at most; a partial batch is shipped when the buffer timeout has passed. */
export const recordsPerBatch = 512

/** Records between two tasks, as columns. Whoever holds a batch may read it; only its sender writes it. */
export class RecordBatch {
  values: unknown[] = []
  timestamps: Float64Array
  /** Hashes of the keys on hash edges, so that no receiver computes them again. */
  keyHashes: Int32Array | undefined
  /** The batch as a ColumnBatch's buffer, instead of all the above: on edges that carry columns. */
  columns: ArrayBuffer | undefined
  count = 0

  constructor(timestamps: Float64Array, keyHashes: Int32Array | undefined) {
    this.timestamps = timestamps
    this.keyHashes = keyHashes
  }

  /** An empty batch to be filled. */
  static ofCapacity(hashed: boolean): RecordBatch {
    return new RecordBatch(new Float64Array(recordsPerBatch), hashed ? new Int32Array(recordsPerBatch) : undefined)
  }

  /** Empties it for the next use; the values are let go, so that a pooled batch pins nothing. */
  clear(): void {
    this.values.fill(undefined, 0, this.count)
    this.count = 0
  }
}
