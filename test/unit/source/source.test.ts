import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ratchet } from './ratchet.ts'
import { type Violation, violationsIn } from './source-rules.ts'

const describeViolation = ({ rule, path, line, message }: Violation): string => `${path}:${line} ${rule}: ${message}`

/** What the rules say of one planted file, as `rule: message`. */
function planted(path: string, text: string): string[] {
  return violationsIn([{ path, text }]).map(({ rule, message }) => `${rule}: ${message}`)
}

test('our own source keeps the rules', () => {
  const texts = globSync('src/**/*.ts').map((path) => ({ path, text: readFileSync(path, 'utf8') }))
  expect(texts.length).toBeGreaterThan(10)
  const violations = violationsIn(texts)
  const covers = (entry: (typeof ratchet)[number], found: Violation): boolean =>
    entry.rule === found.rule && entry.path === found.path
  const unexpected = violations.filter((found) => !ratchet.some((entry) => covers(entry, found)))
  expect(unexpected.map(describeViolation)).toEqual([])
  const obsolete = ratchet.filter((entry) => !violations.some((found) => covers(entry, found)))
  expect(obsolete).toEqual([])
})

test('a file of more than 400 lines is found', () => {
  expect(planted('src/task/long.ts', 'export {}\n'.repeat(400))).toEqual([])
  expect(planted('src/task/long.ts', 'export {}\n'.repeat(401))).toEqual(['file length: 401 lines'])
})

test('a function of more than 70 lines is found, blank lines not counted', () => {
  const withLines = (lines: number): string => `export function f() {\n${'f()\n\n'.repeat(lines - 2)}}\n`
  expect(planted('src/task/long.ts', withLines(70))).toEqual([])
  expect(planted('src/task/long.ts', withLines(71))).toEqual(['function length: 71 lines'])
})

test.each([
  ['export class WindowFactory {}', 'WindowFactory'],
  ['export interface ClockImpl {}', 'ClockImpl'],
  ['export abstract class AbstractOperator {}', 'AbstractOperator'],
  ['export class DefaultClock {}', 'DefaultClock'],
  ['export type StateManager = string', 'StateManager'],
  ['const timeUtils = 1', 'timeUtils'],
  ['export function f(keyHelper: string) {}', 'keyHelper'],
  ['export interface Slot { readonly memoryManager: string }', 'memoryManager'],
])('the banned name in %s is found', (text, name) => {
  expect(planted('src/task/x.ts', text)).toEqual([`name: ${name}`])
})

test("Flink's managers, the names of others, and default values may be named", () => {
  expect(planted('src/actors/task-manager.ts', 'export class TaskManager {}\nconst jobManager = 1')).toEqual([])
  expect(planted('src/task/x.ts', "import { AFactory } from 'a'\nAFactory({ DefaultName: 1 })")).toEqual([])
  expect(planted('src/task/x.ts', 'export const defaultParallelism = 1')).toEqual([])
})

test('a file with a banned name is found', () => {
  expect(planted('src/task/time-utils.ts', '')).toEqual(['name: file TimeUtils'])
  expect(planted('src/task/default-clock.ts', '')).toEqual(['name: file DefaultClock'])
})

test.each([
  ['src/common/a.ts', '../formats/b.ts'],
  ['src/formats/a.ts', '../state/b.ts'],
  ['src/state/filesystem/a.ts', '../../graph/b.ts'],
  ['src/graph/a.ts', '../api/b.ts'],
  ['src/api/a.ts', '../task/b.ts'],
  ['src/coordinator/a.ts', '../task/b.ts'],
  ['src/task/a.ts', '../coordinator/b.ts'],
  ['src/actors/runtime/a.ts', '../job-master.ts'],
  ['src/actors/transport/a.ts', '../../coordinator/b.ts'],
  ['src/connectors/kafka/a.ts', '../../task/b.ts'],
  ['src/testing/a.ts', '../cli/b.ts'],
  ['src/index.ts', './cli/main.ts'],
  ['src/unheard-of/a.ts', '../common/b.ts'],
  ['src/task/a.ts', '../index.ts'],
])('%s may not load %s', (path, specifier) => {
  const found = [expect.stringMatching(/^direction: imports src\//)]
  expect(planted(path, `import { b } from '${specifier}'`)).toEqual(found)
  expect(planted(path, `export * from '${specifier}'`)).toEqual(found)
  expect(planted(path, `await import('${specifier}')`)).toEqual(found)
})

test.each([
  ['src/common/a.ts', './b.ts'],
  ['src/state/filesystem/a.ts', '../tables/b.ts'],
  ['src/api/a.ts', '../graph/b.ts'],
  ['src/actors/a.ts', './runtime/b.ts'],
  ['src/actors/runtime/a.ts', '../transport/b.ts'],
  ['src/testing/a.ts', '../actors/b.ts'],
  ['src/cli/a.ts', '../testing/b.ts'],
  ['src/index.ts', './api/b.ts'],
])('%s may load %s', (path, specifier) => {
  expect(planted(path, `import { b } from '${specifier}'`)).toEqual([])
})

test('types of the contracts may be named anywhere, other types only along the arrows', () => {
  expect(planted('src/graph/a.ts', "import type { Sink } from '../api/sink.ts'")).toEqual([])
  expect(planted('src/graph/a.ts', "import { type Sink } from '../api/sink.ts'")).toEqual([])
  expect(planted('src/coordinator/a.ts', "import type { ToSlot } from '../task/slot-protocol.ts'")).toEqual([])
  expect(planted('src/graph/a.ts', "import { type Sink, sink } from '../api/sink.ts'")).toHaveLength(1)
  expect(planted('src/coordinator/a.ts', "import type { Slot } from '../task/slot.ts'")).toHaveLength(1)
  expect(planted('src/task/a.ts', "import type { Flags } from '../cli/main.ts'")).toHaveLength(1)
})

test.each([
  ['Date.now()', 'Date.now'],
  ['new Date()', 'new Date()'],
  ['Math.random()', 'Math.random'],
  ['performance.now()', 'performance'],
  ['setTimeout(f, 1)', 'setTimeout'],
  ['globalThis.setInterval(f, 1)', 'setInterval'],
  ['[f].map(setImmediate)', 'setImmediate'],
  ['process.nextTick(f)', 'process.nextTick'],
  ['queueMicrotask(f)', 'queueMicrotask'],
  ['crypto.randomUUID()', 'crypto.randomUUID'],
  ["import { randomBytes } from 'node:crypto'", 'randomBytes'],
  ["import { nanoid } from 'nanoid'", 'nanoid'],
  ["import { scheduler } from 'node:timers/promises'", 'node:timers/promises'],
])('%s goes around the ports', (text, use) => {
  expect(planted('src/task/a.ts', text)).toEqual([`port: ${use}: use the ports`])
  expect(planted('src/common/system-ports.ts', text)).toEqual([])
})

test('a given date, members of other objects, and the one yield are no violations of the ports', () => {
  expect(planted('src/task/a.ts', 'new Date(0)\nclock.setTimeout(f)\nexport interface A { performance: 1 }')).toEqual(
    [],
  )
  expect(planted('src/task/turn.ts', 'setImmediate(f)')).toEqual([])
  expect(planted('src/task/turn.ts', 'setTimeout(f)')).toHaveLength(1)
})

test('the environment is read in config and cli only', () => {
  expect(planted('src/task/a.ts', "process.env['HOME']")).toEqual(['environment: process.env'])
  expect(planted('src/task/a.ts', 'globalThis.process.env.HOME')).toEqual(['environment: process.env'])
  expect(planted('src/task/a.ts', "import { env } from 'node:process'")).toEqual(['environment: env of node:process'])
  expect(planted('src/config/a.ts', "process.env['HOME']")).toEqual([])
})

test("kafkajs's private API may be used in one file, not in two", () => {
  const deep = { path: 'src/connectors/kafka/a.ts', text: "import encoder from 'kafkajs/src/protocol/encoder.js'" }
  const symbols = { path: 'src/connectors/kafka/b.ts', text: 'Object.getOwnPropertySymbols(kafka)' }
  expect(violationsIn([deep])).toEqual([])
  expect(violationsIn([deep, symbols]).map(({ rule, path }) => `${rule} ${path}`)).toEqual([
    'kafkajs src/connectors/kafka/a.ts',
    'kafkajs src/connectors/kafka/b.ts',
  ])
})
