import { expect, test } from 'vitest'
import { jobId, type LeaderToken, leaderToken } from '../../../src/common/ids.ts'
import type { ControlStore, LeaderAuthority, RegisteredTaskManager } from '../../../src/coordinator/control-store.ts'
import { sha256Of } from '../../../src/state/bundle-content.ts'

export interface ControlPlane {
  /** Makes this token the leader's. */
  lead(token: LeaderToken): Promise<void>
  storeOf(authority: LeaderAuthority): ControlStore
  /** Loses all data, as FLUSHALL does, but for the leader's token. */
  loseData(): Promise<void>
}

const job = jobId('0123456789abcdef0123456789abcdef')
const other = jobId('fedcba9876543210fedcba9876543210')
const taskManager: RegisteredTaskManager = {
  id: 'tm-1',
  slots: 2,
  dataAddress: '127.0.0.1:4000',
  host: 'größer',
  pid: 12,
}
const validWith = (token: LeaderToken): LeaderAuthority => ({ token, isValid: () => true })
const first = leaderToken('a:1')
const second = leaderToken('b:2')

/** What every ControlStore keeps to. `plane`: an empty one each time. */
export function controlStoreConformance(plane: () => Promise<ControlPlane>): void {
  async function leading(token = first) {
    const control = await plane()
    await control.lead(token)
    return { control, store: control.storeOf(validWith(token)) }
  }

  test('a record is written, read and removed, and its revision counts the writes', async () => {
    const { store } = await leading()
    expect(await store.jobs()).toEqual([])
    expect(await store.writeJob(job, 0, { phase: 'RUNNING', text: 'größer' })).toBe(1)
    expect(await store.writeJob(job, 1, { phase: 'FINISHED' })).toBe(2)
    expect(await store.writeJob(other, 0, { phase: 'RUNNING' })).toBe(1)
    const found = [...(await store.jobs())].sort((a, b) => (a.jobId < b.jobId ? -1 : 1))
    expect(found).toEqual([
      { jobId: job, revision: 2, record: { phase: 'FINISHED' } },
      { jobId: other, revision: 1, record: { phase: 'RUNNING' } },
    ])
    await store.removeJob(job)
    await store.removeJob(job)
    expect((await store.jobs()).map(({ jobId }) => jobId)).toEqual([other])
  })

  test('a record that lost writes is noticed (R25)', async () => {
    const { control, store } = await leading()
    await store.writeJob(job, 0, { step: 1 })
    await store.writeJob(job, 1, { step: 2 })
    await control.loseData()
    await expect(store.writeJob(job, 2, { step: 3 })).rejects.toMatchObject({ code: 'MR_REVISION_MISMATCH' })
    expect(await store.jobs()).toEqual([])
  })

  test('a new leader goes on at the revision that it reads, and at no other', async () => {
    const { control, store } = await leading()
    await store.writeJob(job, 0, { step: 1 })
    await control.lead(second)
    const next = control.storeOf(validWith(second))
    const mismatch = { code: 'MR_REVISION_MISMATCH' }
    await expect(next.writeJob(job, 0, { step: 'blind' })).rejects.toMatchObject(mismatch)
    await expect(next.writeJob(job, 2, { step: 'ahead' })).rejects.toMatchObject(mismatch)
    expect(await next.writeJob(job, 1, { step: 2 })).toBe(2)
  })

  test('a write whose answer was lost is written again by the same leader (R3)', async () => {
    const { store } = await leading()
    await store.writeJob(job, 0, { step: 1 })
    await store.writeJob(job, 1, { step: 'its answer was lost' })
    expect(await store.writeJob(job, 1, { step: 2 })).toBe(3)
    expect(await store.jobs()).toEqual([{ jobId: job, revision: 3, record: { step: 2 } }])
  })

  test('TaskManagers are registered, changed and forgotten', async () => {
    const { store } = await leading()
    await store.writeTaskManager(taskManager)
    await store.writeTaskManager({ ...taskManager, id: 'tm-2' })
    await store.writeTaskManager({ ...taskManager, dataAddress: '127.0.0.1:4001' })
    const found = [...(await store.taskManagers())].sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(found).toEqual([
      { ...taskManager, dataAddress: '127.0.0.1:4001' },
      { ...taskManager, id: 'tm-2' },
    ])
    await store.removeTaskManager('tm-1')
    await store.removeTaskManager('tm-1')
    expect((await store.taskManagers()).map(({ id }) => id)).toEqual(['tm-2'])
  })

  test('a bundle is kept by its content', async () => {
    const { store } = await leading()
    const bytes = Buffer.from([0, 255, 13, 10])
    const name = sha256Of(bytes)
    await expect(store.bundle(name)).rejects.toMatchObject({ code: 'MR_JOB_BUNDLE' })
    await expect(store.putBundle(name, Buffer.from('another'))).rejects.toMatchObject({ code: 'MR_JOB_BUNDLE' })
    await store.putBundle(name, bytes)
    await store.putBundle(name, bytes)
    expect(await store.bundle(name)).toEqual(bytes)
    await store.removeBundle(name)
    await store.removeBundle(name)
    await expect(store.bundle(name)).rejects.toMatchObject({ code: 'MR_JOB_BUNDLE' })
  })

  test('an old leader writes nothing (I1)', async () => {
    const { control, store } = await leading()
    await store.writeJob(job, 0, { step: 1 })
    await store.writeTaskManager(taskManager)
    await control.lead(second)
    const fenced = { code: 'MR_FENCED' }
    await expect(store.writeJob(job, 1, { step: 2 })).rejects.toMatchObject(fenced)
    await expect(store.removeJob(job)).rejects.toMatchObject(fenced)
    await expect(store.writeTaskManager({ ...taskManager, slots: 9 })).rejects.toMatchObject(fenced)
    await expect(store.removeTaskManager('tm-1')).rejects.toMatchObject(fenced)
    await expect(store.removeBundle('0'.repeat(64))).rejects.toMatchObject(fenced)
    expect(await store.jobs()).toEqual([{ jobId: job, revision: 1, record: { step: 1 } }])
    expect(await store.taskManagers()).toEqual([taskManager])
  })

  test('the same epoch of another leader is not its token (I2)', async () => {
    const { control, store } = await leading()
    await control.lead(leaderToken('b:1'))
    await expect(store.writeJob(job, 0, {})).rejects.toMatchObject({ code: 'MR_FENCED' })
  })

  test('past its deadline a leader sends no write (I3)', async () => {
    const { control } = await leading()
    let valid = true
    const store = control.storeOf({ token: first, isValid: () => valid })
    await store.writeJob(job, 0, { step: 1 })
    valid = false
    await expect(store.writeJob(job, 1, { step: 2 })).rejects.toMatchObject({
      code: 'MR_FENCED',
      message: expect.stringContaining('lease'),
    })
    expect((await store.jobs())[0]?.revision).toBe(1)
  })
}
