import { expect, test } from 'vitest'
import type { BlobStore } from '../../../src/state/blob-store.ts'

/** What every BlobStore keeps to. `make` gives an empty one. */
export function testBlobStore(name: string, make: () => Promise<BlobStore>): void {
  test(`${name}: a blob is read back whole and in ranges`, async () => {
    const store = await make()
    await store.put('job/attempt/chk-1/0', Buffer.from('0123456789'))
    expect(await store.get('job/attempt/chk-1/0')).toEqual(Buffer.from('0123456789'))
    expect(await store.getRange('job/attempt/chk-1/0', 3, 4)).toEqual(Buffer.from('3456'))
    expect(await store.getRange('job/attempt/chk-1/0', 10, 0)).toEqual(Buffer.alloc(0))
  })

  test(`${name}: what is put and what is read alias nothing in the store`, async () => {
    const store = await make()
    const bytes = Buffer.from('abc')
    await store.put('a/b', bytes)
    bytes.fill(0)
    ;(await store.get('a/b')).fill(0)
    expect((await store.get('a/b')).toString()).toBe('abc')
  })

  test(`${name}: putting a name again with the same bytes is harmless`, async () => {
    const store = await make()
    await store.put('a/b', Buffer.from('abc'))
    await store.put('a/b', Buffer.from('abc'))
    expect((await store.get('a/b')).toString()).toBe('abc')
    expect(await store.list('')).toEqual(['a/b'])
  })

  test(`${name}: a missing blob is MR_CHECKPOINT_DAMAGED and names it`, async () => {
    const store = await make()
    const expected = { code: 'MR_CHECKPOINT_DAMAGED', message: expect.stringContaining('job/gone') }
    await expect(store.get('job/gone')).rejects.toMatchObject(expected)
    await expect(store.getRange('job/gone', 0, 1)).rejects.toMatchObject(expected)
  })

  test(`${name}: a range past the end is MR_CHECKPOINT_DAMAGED`, async () => {
    const store = await make()
    await store.put('short', Buffer.from('abc'))
    await expect(store.getRange('short', 2, 2)).rejects.toMatchObject({
      code: 'MR_CHECKPOINT_DAMAGED',
      message: expect.stringContaining('short'),
    })
  })

  test(`${name}: list gives the names with a prefix, sorted`, async () => {
    const store = await make()
    for (const blob of ['job/b/1', 'job/a/2', 'job/a/1', 'jobs/x', 'other/y']) await store.put(blob, Buffer.from(blob))
    expect(await store.list('job/')).toEqual(['job/a/1', 'job/a/2', 'job/b/1'])
    expect(await store.list('job')).toEqual(['job/a/1', 'job/a/2', 'job/b/1', 'jobs/x'])
    expect(await store.list('job/a/')).toEqual(['job/a/1', 'job/a/2'])
    expect(await store.list('nothing/')).toEqual([])
  })

  test(`${name}: delete ignores what is missing, and its neighbours stay`, async () => {
    const store = await make()
    await store.put('job/a/1', Buffer.from('1'))
    await store.put('job/a/2', Buffer.from('2'))
    await store.delete(['job/a/1', 'job/a/3', 'job/b/1'])
    expect(await store.list('')).toEqual(['job/a/2'])
    await store.delete(['job/a/2'])
    await store.put('job/a/1', Buffer.from('again'))
    expect((await store.get('job/a/1')).toString()).toBe('again')
  })

  test(`${name}: blobs are put side by side`, async () => {
    const store = await make()
    const names = Array.from({ length: 20 }, (_, index) => `job/attempt-${index % 3}/chk-1/${index}`)
    await Promise.all(names.map((blob) => store.put(blob, Buffer.from(blob))))
    for (const blob of names) expect((await store.get(blob)).toString()).toBe(blob)
  })
}
