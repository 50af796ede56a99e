import { basename } from 'node:path'
import type { CheckpointId } from '../../common/ids.ts'
import type { TransactionLedger } from '../transaction-ledger.ts'
import type { FolderCheckpointStore } from './folder-checkpoint-store.ts'
import { type FoundCheckpoint, runStores } from './job-folder.ts'

export interface AdoptedTransactions {
  /** What attempts of this run and of earlier ones may have left open; it stands in the run's own folder. */
  readonly ledger: TransactionLedger
  /** What a person should know. */
  readonly notes: readonly string[]
}

/**
 * Takes over what earlier runs of the job may have left open, so that this run ends it (R16). Where one of them has a
 * completed checkpoint whose output is not published, and this run does not publish it, nothing is taken over: a later
 * start from that checkpoint still finds its transactions.
 * @param restored what this run starts from
 */
export async function adoptTransactions(
  jobFolder: string,
  own: FolderCheckpointStore,
  restored: (Pick<FoundCheckpoint, 'id'> & { readonly runFolder: string }) | undefined,
): Promise<AdoptedTransactions> {
  const mine = await own.recordedTransactions()
  const others = (await runStores(jobFolder)).filter(({ runFolder }) => runFolder !== own.runFolder)
  const left = await Promise.all(others.map((store) => store.recordedTransactions()))
  if (left.every((ledger) => ledger.length === 0)) return { ledger: mine, notes: [] }
  for (const store of others) {
    const id = await unpublished(store)
    if (id === undefined || (restored?.id === id && restored.runFolder === store.runFolder)) continue
    const note = `output of checkpoint ${id} of ${basename(store.runFolder)} is not published: --from latest would do so; until its transactions end by their timeout they hold readers back`
    return { ledger: mine, notes: [note] }
  }
  const ledger = [...new Map([...left.flat(), ...mine].map((entry) => [entry.idBase, entry])).values()]
  await own.recordTransactions(ledger)
  for (const store of others) if ((await store.recordedTransactions()).length > 0) await store.recordTransactions([])
  return { ledger, notes: [] }
}

/** The newest checkpoint, where it lists what is not marked as committed (R17). */
async function unpublished(store: FolderCheckpointStore): Promise<CheckpointId | undefined> {
  const id = (await store.list()).at(-1)
  if (id === undefined || (await store.isCommitted(id))) return undefined
  const { vertices } = await store.read(id)
  const lists = vertices.some(({ subtasks }) => subtasks.some(({ hasCommittables }) => hasCommittables))
  return lists ? id : undefined
}
