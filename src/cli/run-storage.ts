import { basename, dirname, join, resolve } from 'node:path'
import type { RestoreSubmission } from '../actors/local-cluster.ts'
import { MillraceError } from '../common/errors.ts'
import { systemClock, systemIds } from '../common/system-ports.ts'
import { hasTransactionalSinks } from '../coordinator/transactions.ts'
import type { JobPlan } from '../graph/job-graph.ts'
import type { CheckpointStore } from '../state/checkpoint-store.ts'
import { type AdoptedTransactions, adoptTransactions } from '../state/filesystem/adopted-transactions.ts'
import { blobFolder, FolderCheckpointStore } from '../state/filesystem/folder-checkpoint-store.ts'
import { lockFolder } from '../state/filesystem/folder-lock.ts'
import {
  createRunFolder,
  type FoundCheckpoint,
  latestCheckpoint,
  namedCheckpoint,
} from '../state/filesystem/job-folder.ts'
import type { TransactionLedger } from '../state/transaction-ledger.ts'
import type { BlobStoreReference } from '../task/slot-protocol.ts'
import { exactlyOnceSinks } from './plan-warnings.ts'
import type { RunIdentity, RunRequest } from './process-protocol.ts'

/** Where a run keeps its checkpoints and what it starts from. */
export interface RunStorage {
  readonly identity: RunIdentity
  readonly checkpointStore: CheckpointStore | undefined
  /** Transactional ids that earlier runs and processes may have left open (R16). */
  readonly leftTransactions: TransactionLedger
  readonly blobStore: BlobStoreReference
  readonly restore: RestoreSubmission | undefined
  /** What a person should know. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

/**
 * Opens the folder of a run: the one that a lost working process had, or a new one (R11).
 * @throws MillraceError MR_RUN_LOCKED, MR_CHECKPOINT_NOT_FOUND, MR_CONFIGURATION, MR_STORAGE
 */
export async function openRunStorage(
  request: RunRequest,
  plan: JobPlan,
  goesOn: RunIdentity | undefined,
): Promise<RunStorage> {
  const jobFolder = checkpointFolder(request, plan)
  const checkpointed = plan.configuration.checkpointing !== undefined
  if (!checkpointed && request.from === undefined) return withoutCheckpoints(goesOn)
  // Also for a start without checkpoints of its own: it commits what the record lists, so no other run may go on from it.
  const lock = await lockFolder(jobFolder, systemClock)
  try {
    const start =
      goesOn?.runFolder === undefined
        ? await freshStart(request, plan, jobFolder)
        : await continued(request, plan, goesOn)
    const runFolder = checkpointed ? (goesOn?.runFolder ?? (await createRunFolder(jobFolder))) : undefined
    const checkpointStore = runFolder === undefined ? undefined : new FolderCheckpointStore(runFolder)
    const adopted = await leftTransactions(jobFolder, plan, checkpointStore, start)
    return {
      identity: { jobId: goesOn?.jobId ?? systemIds.hexadecimal(), runFolder },
      checkpointStore,
      leftTransactions: adopted.ledger,
      blobStore: runFolder === undefined ? memoryBlobs : { type: 'filesystem', folder: blobFolder(runFolder) },
      restore: start.restore,
      notes: [...start.notes, ...adopted.notes],
      close: async () => lock.release(),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

const memoryBlobs: BlobStoreReference = { type: 'memory', name: 'run' }

function withoutCheckpoints(goesOn: RunIdentity | undefined): RunStorage {
  return {
    identity: { jobId: goesOn?.jobId ?? systemIds.hexadecimal(), runFolder: undefined },
    checkpointStore: undefined,
    leftTransactions: [],
    blobStore: memoryBlobs,
    restore: undefined,
    notes: [],
    close: async () => {},
  }
}

interface Start {
  readonly restore: RestoreSubmission | undefined
  /** Folder of the run that `restore` is of. */
  readonly restoredRun?: string
  readonly notes: readonly string[]
}

async function leftTransactions(
  jobFolder: string,
  plan: JobPlan,
  own: FolderCheckpointStore | undefined,
  { restore, restoredRun }: Start,
): Promise<AdoptedTransactions> {
  if (own === undefined || !hasTransactionalSinks(plan)) return { ledger: [], notes: [] }
  const restored =
    restore === undefined || restoredRun === undefined ? undefined : { id: restore.record.id, runFolder: restoredRun }
  return adoptTransactions(jobFolder, own, restored)
}

function checkpointFolder({ configuration }: RunRequest, { jobName }: JobPlan): string {
  const configured = configuration['execution.checkpointing.dir']
  return resolve(typeof configured === 'string' ? configured : join('.millrace', 'checkpoints', jobName))
}

/** After a crash of the working process: from the run's own newest checkpoint, or from where the run had begun. */
async function continued(request: RunRequest, plan: JobPlan, goesOn: RunIdentity): Promise<Start> {
  const store = new FolderCheckpointStore(goesOn.runFolder ?? '')
  const id = (await store.list()).at(-1)
  if (id === undefined) return freshStart(request, plan, checkpointFolder(request, plan))
  const restore = await restoreOf({ store, id }, true)
  return { restore, restoredRun: store.runFolder, notes: [`going on from checkpoint ${id}`] }
}

async function freshStart(request: RunRequest, plan: JobPlan, jobFolder: string): Promise<Start> {
  const { from } = request
  if (from === undefined) return { restore: undefined, notes: [] }
  if (from === 'latest') {
    const latest = await latestCheckpoint(jobFolder)
    if (latest === undefined) return { restore: undefined, notes: [`no checkpoint in ${jobFolder}: starting fresh`] }
    return await startFrom(latest, request, plan)
  }
  const named = await namedCheckpoint(jobFolder, from)
  await refuseDuplicates(request, plan, named)
  return await startFrom(named, request, plan)
}

/** Whoever gives a path means that checkpoint; `latest` and `chk-<n>` mean this job's. */
async function startFrom(found: FoundCheckpoint, { from = '' }: RunRequest, { jobName }: JobPlan): Promise<Start> {
  const restore = await restoreOf(found, false)
  const { record } = restore
  if (record.jobName !== jobName && /^(?:latest|chk-\d+)$/.test(from)) {
    throw new MillraceError(
      'MR_CONFIGURATION',
      `--from ${from}: ${describe(found)} in ${dirname(found.store.runFolder)} is of job '${record.jobName}', not of '${jobName}': give each job an execution.checkpointing.dir of its own, or name the checkpoint by its path`,
    )
  }
  return { restore, restoredRun: found.store.runFolder, notes: [`starting from ${describe(found)}`] }
}

/** R9: what came after an older checkpoint is published already, and would be again. */
async function refuseDuplicates(request: RunRequest, plan: JobPlan, named: FoundCheckpoint): Promise<void> {
  if (request.acceptDuplicates || exactlyOnceSinks(plan).length === 0) return
  const newest = await latestCheckpoint(resolve(named.store.runFolder, '..'))
  if (newest === undefined || (newest.store.runFolder === named.store.runFolder && newest.id === named.id)) return
  throw new MillraceError(
    'MR_CONFIGURATION',
    `--from ${request.from}: ${describe(newest)} is newer, and output up to it is published already; start from latest, or add --accept-duplicates`,
  )
}

async function restoreOf({ store, id }: FoundCheckpoint, sameJob: boolean): Promise<RestoreSubmission> {
  await store.makeDurable(id)
  return {
    record: await store.read(id),
    blobStore: { type: 'filesystem', folder: blobFolder(store.runFolder) },
    committed: await store.isCommitted(id),
    sameJob,
    checkpointStore: store,
  }
}

function describe({ store, id }: FoundCheckpoint): string {
  return `checkpoint ${id} of ${basename(store.runFolder)}`
}
