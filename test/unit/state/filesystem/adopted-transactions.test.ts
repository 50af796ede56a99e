import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { attemptId } from '../../../../src/common/ids.ts'
import type { CheckpointRecord } from '../../../../src/state/checkpoint-record.ts'
import { adoptTransactions } from '../../../../src/state/filesystem/adopted-transactions.ts'
import { FolderCheckpointStore } from '../../../../src/state/filesystem/folder-checkpoint-store.ts'
import { createRunFolder } from '../../../../src/state/filesystem/job-folder.ts'
import { recordOf } from '../checkpoint-store-conformance.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adopted-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const entry = (name: string) => ({
  operatorUid: 'sink',
  attemptId: attemptId(name),
  idBase: `p-sink-${name}-`,
  mark: 16,
})

async function newRun(): Promise<FolderCheckpointStore> {
  return new FolderCheckpointStore(await createRunFolder(folder))
}

/** A completed checkpoint that lists something to be committed. */
function listing(id: number): CheckpointRecord {
  const record: CheckpointRecord = recordOf(id)
  const vertices = record.vertices.map((vertex) => ({
    ...vertex,
    subtasks: vertex.subtasks.map((subtask) => ({ ...subtask, hasCommittables: true })),
  }))
  return { ...record, vertices }
}

test('a run takes over what earlier runs may have left open, once', async () => {
  const [first, second, third] = [await newRun(), await newRun(), await newRun()]
  await first.recordTransactions([entry('a')])
  await second.recordTransactions([entry('b')])
  await third.recordTransactions([entry('c')])
  const { ledger, notes } = await adoptTransactions(folder, third, undefined)
  expect(ledger.map(({ attemptId: attempt }) => attempt).toSorted()).toEqual(['a', 'b', 'c'])
  expect(notes).toEqual([])
  expect(await third.recordedTransactions()).toEqual(ledger)
  expect(await first.recordedTransactions()).toEqual([])
  expect((await adoptTransactions(folder, third, undefined)).ledger).toEqual(ledger)
})

test('where output of a completed checkpoint is not published, nothing is taken over but by the run that publishes it', async () => {
  const [first, second] = [await newRun(), await newRun()]
  await first.recordTransactions([entry('a')])
  await first.complete(listing(3))
  const fresh = await adoptTransactions(folder, second, undefined)
  expect(fresh.ledger).toEqual([])
  expect(fresh.notes).toEqual([expect.stringContaining('checkpoint 3 of run-1 is not published')])
  expect(await first.recordedTransactions()).toEqual([entry('a')])
  const [id] = await first.list()
  const restoring = { id: id ?? (0 as never), runFolder: first.runFolder }
  expect((await adoptTransactions(folder, second, restoring)).ledger).toEqual([entry('a')])
})

test('a checkpoint that is marked as committed keeps nobody from ending the rest', async () => {
  const [first, second] = [await newRun(), await newRun()]
  await first.recordTransactions([entry('a')])
  await first.complete(listing(3))
  await first.markCommitted(listing(3).id)
  expect((await adoptTransactions(folder, second, undefined)).ledger).toEqual([entry('a')])
})
