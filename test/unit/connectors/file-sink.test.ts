import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SinkWriterContext } from '../../../src/api/sink.ts'
import { systemClock } from '../../../src/common/system-ports.ts'
import { FileSink } from '../../../src/connectors/filesystem/index.ts'

let folder: string
const failures: unknown[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-sink-'))
  failures.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function contextOf(attemptId: string, operatorUid = 'out'): SinkWriterContext {
  return {
    subtaskIndex: 2,
    parallelism: 4,
    operatorName: 'out',
    operatorUid,
    attemptId,
    clock: systemClock,
    checkpointing: undefined,
    jobName: 'job',
    transactionalIds: { mark: 16, request: () => {} },
    wake: () => {},
    fail: (error) => failures.push(error),
  }
}

function writerOf(attemptId: string, out = folder, operatorUid = 'out') {
  return FileSink.of<{ n: number }>({ folder: out }).createWriter(contextOf(attemptId, operatorUid))
}

const visible = () => readdirSync(folder).filter((name) => !name.startsWith('.'))

test('a part is hidden until it is committed, then it holds exactly what was written before its barrier', async () => {
  const writer = writerOf('a1')
  writer.write({ n: 1 }, 0)
  writer.write({ n: 2 }, 0)
  const prepared = await writer.prepareCommit(7)
  writer.write({ n: 3 }, 0)
  expect(visible()).toEqual([])
  await writer.commit(prepared)
  expect(visible()).toEqual(['part-20bcdfe4-2-a1-7.jsonl'])
  expect(readFileSync(join(folder, 'part-20bcdfe4-2-a1-7.jsonl'), 'utf8')).toBe('{"n":1}\n{"n":2}\n')
  await writer.close()
})

test('committing again is harmless, also by another attempt', async () => {
  const writer = writerOf('a1')
  writer.write({ n: 1 }, 0)
  const prepared = await writer.prepareCommit(1)
  await writer.commit(prepared)
  await writerOf('a2').commit(JSON.parse(JSON.stringify(prepared)))
  expect(visible()).toEqual(['part-20bcdfe4-2-a1-1.jsonl'])
})

test('a committed part that is gone altogether is reported as lost output', async () => {
  const writer = writerOf('a1')
  writer.write({ n: 1 }, 0)
  const prepared = await writer.prepareCommit(1)
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  await expect(writer.commit(prepared)).rejects.toMatchObject({ code: 'MR_TRANSACTION_LOST' })
})

test('a barrier without records prepares nothing, and what was never prepared is removed when the attempt ends', async () => {
  const writer = writerOf('a1')
  expect(await writer.prepareCommit(1)).toEqual([])
  writer.write({ n: 1 }, 0)
  await writer.prepareCommit(2)
  writer.write({ n: 2 }, 0)
  await writer.close()
  expect(readdirSync(folder)).toEqual(['.part-20bcdfe4-2-a1.0.pending'])
})

test('a folder that can not be written fails the task with the sink and the folder named', async () => {
  writeFileSync(join(folder, 'in-the-way'), '')
  const writer = writerOf('a1', join(folder, 'in-the-way', 'out'))
  writer.write({ n: 1 }, 0)
  await expect(writer.prepareCommit(1)).rejects.toThrow()
  expect(String(failures[0])).toMatch(/FileSink: can not write to .*in-the-way/)
})

test('part names must be plain and visible', () => {
  expect(() => FileSink.of({ folder: 'out', prefix: '../x' })).toThrow('prefix')
  expect(() => FileSink.of({ folder: 'out', prefix: '.x' })).toThrow('prefix')
  expect(() => FileSink.of({ folder: '' })).toThrow('folder')
})

test('sinks of one task that write to the same folder never take a name of each other (R21)', async () => {
  const [early, late] = [writerOf('a1', folder, 'sink:early'), writerOf('a1', folder, 'sink:late')]
  early.write({ n: 1 }, 0)
  await early.commit(await early.prepareCommit(1))
  early.write({ n: 2 }, 0)
  late.write({ n: 3 }, 0)
  await early.commit(await early.prepareCommit(2))
  await late.commit(await late.prepareCommit(2))
  const lines = visible().flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
  expect(lines.toSorted()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
})

test('a record that has no text is refused, not written as something else', () => {
  const writer = FileSink.of<unknown>({ folder }).createWriter(contextOf('a1'))
  expect(() => writer.write(undefined, 0)).toThrow('undefined has no text')
})
