import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BundledSlotHost } from '../../../src/deploy/bundled-slot-host.ts'
import { refuseWithoutSecret } from '../../../src/deploy/cluster-secret.ts'
import { JobBundles } from '../../../src/deploy/job-bundles.ts'
import type { SlotExit, SlotHost, SlotListener } from '../../../src/task/slot-host.ts'
import type { FromSlot, SlotStart, ToSlot } from '../../../src/task/slot-protocol.ts'

const text = Buffer.from('export default 1')
const sha256 = createHash('sha256').update(text).digest('hex')

describe('bundles of jobs on a TaskManager', () => {
  let parent = ''
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'bundles-'))
  })
  afterEach(() => rmSync(parent, { recursive: true, force: true }))

  it('fetches a bundle once, into a folder that only its user can read', async () => {
    let fetched = 0
    const bundles = new JobBundles(async () => {
      fetched++
      return text
    }, parent)
    const [one, other] = await Promise.all([bundles.acquire(sha256), bundles.acquire(sha256)])
    expect(one).toBe(other)
    expect(fetched).toBe(1)
    expect(readFileSync(fileURLToPath(one))).toEqual(text)
    expect(statSync(join(parent, readdirSync(parent)[0] ?? '')).mode & 0o777).toBe(0o700)
    bundles.release(sha256)
    expect(existsSync(fileURLToPath(one))).toBe(true)
    bundles.release(sha256)
    expect(existsSync(fileURLToPath(one))).toBe(false)
    bundles.close()
    expect(readdirSync(parent)).toEqual([])
  })

  it('refuses a bundle that is not what its SHA-256 says, and fetches it again when asked again', async () => {
    const answers = [Buffer.from('export default 2'), text]
    const bundles = new JobBundles(async () => answers.shift() ?? text, parent)
    await expect(bundles.acquire(sha256)).rejects.toMatchObject({ code: 'MR_JOB_BUNDLE' })
    bundles.release(sha256)
    expect(await bundles.acquire(sha256)).toContain(sha256)
  })

  it('starts a slot with its own copy of the bundle, and what was sent before follows', async () => {
    const { host, started } = recordingHost()
    const bundles = new JobBundles(async () => text, parent)
    const exits: SlotExit[] = []
    const handle = new BundledSlotHost(host, bundles).start(slotStart, listener([], exits))
    handle.send({ type: 'drain' })
    await expect.poll(() => started.length).toBe(1)
    expect(started[0]?.start.job.bundleUrl).toMatch(/^file:.*\.mjs$/)
    expect(started[0]?.sent).toEqual([{ type: 'drain' }])
    started[0]?.listener.exit({ type: 'stopped' })
    expect(exits).toEqual([{ type: 'stopped' }])
    expect(readdirSync(join(parent, readdirSync(parent)[0] ?? ''))).toEqual([])
  })

  it('reports a slot whose bundle can not be had as failed, with the reason', async () => {
    const { host, started } = recordingHost()
    const bundles = new JobBundles(async () => Buffer.from('other'), parent)
    const messages: FromSlot[] = []
    const exits: SlotExit[] = []
    new BundledSlotHost(host, bundles).start(slotStart, listener(messages, exits))
    await expect.poll(() => exits.length).toBe(1)
    expect(messages).toMatchObject([{ type: 'slotFailed', error: { code: 'MR_JOB_BUNDLE' } }])
    expect(exits).toMatchObject([{ type: 'died', code: 'MR_SLOT_LOST' }])
    expect(started).toEqual([])
  })

  it('does not start a slot that was terminated while its bundle was fetched', async () => {
    const { host, started } = recordingHost()
    const fetched = Promise.withResolvers<Buffer>()
    const exits: SlotExit[] = []
    const bundles = new JobBundles(() => fetched.promise, parent)
    new BundledSlotHost(host, bundles).start(slotStart, listener([], exits)).terminate()
    fetched.resolve(text)
    await expect.poll(() => exits.length).toBe(1)
    await fetched.promise
    expect(exits).toEqual([{ type: 'stopped' }])
    expect(started).toEqual([])
  })

  it('wants a secret of the cluster where the data port can be reached from elsewhere', () => {
    expect(() => refuseWithoutSecret({ 'taskmanager.host': '10.0.0.7' })).toThrow(/security\.cluster-secret/)
    refuseWithoutSecret({ 'taskmanager.host': '10.0.0.7', 'security.cluster-secret': 's' })
    refuseWithoutSecret({ 'taskmanager.host': 'localhost' })
    refuseWithoutSecret({})
  })
})

const slotStart = {
  slotIndex: 0,
  job: { bundleUrl: `bundle:${sha256}`, bundleSha256: sha256, arguments: [], configuration: {} },
} as unknown as SlotStart

function listener(messages: FromSlot[], exits: SlotExit[]): SlotListener {
  return { message: (message) => void messages.push(message), exit: (cause) => void exits.push(cause) }
}

interface Started {
  readonly start: SlotStart
  readonly listener: SlotListener
  readonly sent: ToSlot[]
}

function recordingHost(): { readonly host: SlotHost; readonly started: Started[] } {
  const started: Started[] = []
  const host: SlotHost = {
    start: (start, slotListener) => {
      const slot: Started = { start, listener: slotListener, sent: [] }
      started.push(slot)
      return { send: (message) => void slot.sent.push(message), terminate: () => {} }
    },
    connect: () => [undefined, undefined],
    portOf: () => {
      throw new Error('not used')
    },
  }
  return { host, started }
}
