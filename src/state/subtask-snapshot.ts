import { crc32c } from '@node-rs/crc32'
import { MillraceError } from '../common/errors.ts'
import { BlobPacker } from './blob-packer.ts'
import type { BlobReference } from './blob-store.ts'
import type { CheckpointBarrier } from './checkpoint-record.ts'
import { readChunkBytes } from './chunk-source.ts'
import { BlobNumbers, type ChunkPlace, chunksOf, OperatorPlaces, type PiecePlace } from './manifest-builder.ts'
import { sparseBlobs } from './piece-chains.ts'
import {
  blobReferenceOf,
  encodeManifest,
  type OperatorManifest,
  type SubtaskManifest,
  storedWatermark,
} from './subtask-manifest.ts'
import type { OperatorWithPart, SubtaskSnapshotsOptions } from './subtask-snapshots.ts'

export interface SubtaskSnapshotResult {
  readonly manifest: BlobReference
  /** Of blobs and manifest. */
  readonly writtenBytes: number
  readonly hasCommittables: boolean
}

export interface SubtaskSnapshotStart {
  readonly barrier: CheckpointBarrier
  /** The own manifest of the base; undefined: everything is written. */
  readonly base: SubtaskManifest | undefined
  readonly operators: readonly OperatorWithPart[]
}

interface OpenOperator extends OperatorWithPart {
  readonly places: OperatorPlaces
}

/** One subtask's part of one checkpoint: drained in slices, then packed and put. */
export class SubtaskSnapshot {
  readonly barrier: CheckpointBarrier
  readonly #options: SubtaskSnapshotsOptions
  readonly #base: SubtaskManifest | undefined
  readonly #operators: readonly OpenOperator[]
  readonly #packer: BlobPacker
  readonly #prefix: string
  readonly #acked: (manifest: SubtaskManifest) => void
  #draining = 0
  #isCancelled = false
  #isAcked = false
  #isDiscarded = false
  #manifestPut: Promise<void> | undefined

  constructor(
    options: SubtaskSnapshotsOptions,
    { barrier, base, operators }: SubtaskSnapshotStart,
    acked: (manifest: SubtaskManifest) => void,
  ) {
    this.barrier = barrier
    this.#options = options
    this.#base = base
    this.#prefix = `${options.jobId}/${options.attemptId}/chk-${barrier.id}`
    this.#packer = new BlobPacker(options.blobStore, this.#prefix)
    this.#acked = acked
    this.#operators = operators.map(({ uid, snapshot }) => {
      // `finish` waits for it; until then a failure must not count as unhandled.
      snapshot.committables?.catch(() => undefined)
      return { uid, snapshot, places: OperatorPlaces.on(base, uid) }
    })
    this.#addOperatorState()
  }

  /** Drains one slice of about `maxEntries`; true: drained, `finish` may be called. Full blobs are put as they fill. */
  step(maxEntries: number): boolean {
    if (this.#checkCancelled()) return true
    const operator = this.#operators[this.#draining]
    if (operator === undefined) return true
    const isDrained = operator.snapshot.keyed?.drain(maxEntries) ?? true
    this.#addPieces(operator)
    if (isDrained) this.#draining++
    return this.#draining === this.#operators.length
  }

  /**
   * Resolves when blobs and manifest are durable: now the subtask may ack.
   * @throws MillraceError MR_CHECKPOINT_DECLINED where it was cancelled; MR_STORAGE and the like: the subtask declines
   */
  async finish(): Promise<SubtaskSnapshotResult> {
    try {
      return await this.#write()
    } catch (error) {
      this.cancel()
      throw error
    }
  }

  cancel(): void {
    this.#isCancelled = true
    for (const { snapshot } of this.#operators) snapshot.keyed?.cancel()
    if (this.#isAcked) return
    this.discard()
  }

  /**
   * Deletes what was written: of a checkpoint that this subtask has not acked, or that was aborted. On a full disk it
   * would keep later checkpoints from being written; what can not be deleted is left to the sweep (R10).
   */
  discard(): void {
    if (this.#isDiscarded) return
    this.#isDiscarded = true
    this.#discard().catch(() => undefined)
  }

  async #discard(): Promise<void> {
    await this.#manifestPut?.catch(() => undefined)
    await this.#packer.discard()
    await this.#options.blobStore.delete([`${this.#prefix}/manifest`])
  }

  async #write(): Promise<SubtaskSnapshotResult> {
    this.#throwIfCancelled()
    if (this.#draining < this.#operators.length) {
      throw new MillraceError('MR_INTERNAL', `Checkpoint ${this.barrier.id} is to be finished before it is drained.`)
    }
    const committables = await Promise.all(this.#operators.map(({ snapshot }) => snapshot.committables ?? []))
    await this.#rewriteSparseBlobs()
    // Nothing is put any more once a cancelled snapshot has begun to delete.
    this.#throwIfCancelled()
    const written = await this.#packer.finish()
    const numbers = new BlobNumbers([...(this.#base?.blobs ?? []), ...written])
    const operators = this.#operators.map(({ uid, snapshot, places }, index) => ({
      uid,
      watermark: storedWatermark(snapshot.watermark),
      ...chunksOf(places, numbers),
      committables: (committables[index] ?? []) as OperatorManifest['committables'],
    }))
    const manifest = this.#manifest(numbers.blobs, operators)
    const bytes = encodeManifest(manifest)
    const reference = blobReferenceOf(`${this.#prefix}/manifest`, bytes)
    this.#throwIfCancelled()
    this.#manifestPut = this.#options.blobStore.put(reference.name, bytes)
    await this.#manifestPut
    this.#throwIfCancelled()
    this.#isAcked = true
    this.#acked(manifest)
    return {
      manifest: reference,
      writtenBytes: this.#packer.writtenBytes + bytes.length,
      hasCommittables: operators.some(({ committables: lists }) => lists.some((list) => list.committables.length > 0)),
    }
  }

  #addOperatorState(): void {
    for (const { snapshot, places } of this.#operators) {
      for (const { name, redistribution, bytes } of snapshot.operatorState?.states ?? []) {
        places.lists.set(name, { redistribution, ...this.#add(bytes) })
      }
    }
  }

  #addPieces({ snapshot, places }: OpenOperator): void {
    for (const { stateName, keyGroup, kind, bytes, isContinuation } of snapshot.keyed?.takePieces() ?? []) {
      if (kind === 'full') places.dropPieces(stateName, keyGroup)
      if (bytes.length > 0) places.addPiece(stateName, { keyGroup, isContinuation, ...this.#add(bytes) })
    }
  }

  #add(bytes: Buffer): ChunkPlace {
    return { ...this.#packer.add(bytes), length: bytes.length, checksum: crc32c(bytes) }
  }

  /** R5: the live pieces of older blobs that are mostly garbage move into this checkpoint's. */
  async #rewriteSparseBlobs(): Promise<void> {
    const base = this.#base
    if (base === undefined) return
    const numbers = new BlobNumbers([...base.blobs, ...this.#ownBlobs()])
    const operators = this.#operators.map(({ uid, places }) => ({
      uid,
      watermark: 0,
      ...chunksOf(places, numbers),
      committables: [],
    }))
    const sparse = sparseBlobs({ blobs: numbers.blobs, operators })
    const old = new Set(base.blobs.map(({ name }) => name))
    const names = new Set([...sparse].map((index) => numbers.blobs[index]?.name ?? '').filter((name) => old.has(name)))
    if (names.size === 0) return
    for (const { places } of this.#operators) await places.replace((piece) => this.#rewritten(piece, names))
  }

  async #rewritten(piece: PiecePlace, names: ReadonlySet<string>): Promise<PiecePlace | undefined> {
    if (!names.has(piece.blobName)) return undefined
    this.#throwIfCancelled()
    const bytes = await readChunkBytes(this.#options.blobStore, piece)
    return { ...piece, ...this.#add(bytes) }
  }

  /** Blobs of this checkpoint before they are put: only their names matter. */
  #ownBlobs(): readonly BlobReference[] {
    return this.#packer.names.map((name) => ({ name, length: 0, checksum: 0 }))
  }

  #manifest(blobs: SubtaskManifest['blobs'], operators: SubtaskManifest['operators']): SubtaskManifest {
    const { jobId, vertexId, attemptId, subtaskIndex, parallelism, maxParallelism } = this.#options
    return {
      formatVersion: 1,
      jobId,
      vertexId,
      attemptId,
      subtaskIndex,
      parallelism,
      maxParallelism,
      checkpointId: this.barrier.id,
      base: this.#base?.checkpointId ?? 0,
      blobs,
      operators,
    }
  }

  /** R2: the operators' snapshots for a higher barrier have cancelled this one's. */
  #checkCancelled(): boolean {
    if (this.#operators.some(({ snapshot }) => snapshot.keyed?.isCancelled === true)) this.cancel()
    return this.#isCancelled
  }

  #throwIfCancelled(): void {
    if (!this.#checkCancelled()) return
    throw new MillraceError('MR_CHECKPOINT_DECLINED', `Checkpoint ${this.barrier.id} was cancelled in this subtask.`)
  }
}
