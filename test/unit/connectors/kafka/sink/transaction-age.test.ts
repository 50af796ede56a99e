import { expect, test } from 'vitest'
import {
  isTooOld,
  neededTimeoutMs,
  transactionTimeoutMs,
} from '../../../../../src/connectors/kafka/sink/transaction-age.ts'

const checkpointing = { intervalMs: 1000, timeoutMs: 60_000 }

test('the default timeout is the longest that the brokers allow', () => {
  expect(transactionTimeoutMs(undefined, 900_000, checkpointing)).toBe(900_000)
  expect(transactionTimeoutMs(undefined, undefined, checkpointing)).toBe(900_000)
  expect(transactionTimeoutMs(600_000, 900_000, checkpointing)).toBe(600_000)
})

test('a timeout that brokers do not allow is refused with both figures', () => {
  expect(() => transactionTimeoutMs(1_000_000, 900_000, checkpointing)).toThrow(/1000000 ms.*900000 ms at most/)
})

test('a timeout that is shorter than a transaction may have to wait is refused with both figures, and what would do (R17)', () => {
  expect(neededTimeoutMs(checkpointing)).toBe(241_000)
  expect(() => transactionTimeoutMs(200_000, 900_000, checkpointing)).toThrow(
    /transactionTimeout is 200000 ms.*wait 241000 ms.*timeout to 46333 ms or less/,
  )
  expect(transactionTimeoutMs(200_000, 900_000, { intervalMs: 1000, timeoutMs: 46_333 })).toBe(200_000)
})

test('without checkpoints any timeout that brokers allow will do', () => {
  expect(transactionTimeoutMs(1000, 900_000, undefined)).toBe(1000)
})

test('a transaction is too old where the broker could end it before the commit of the checkpoint that begins (R17)', () => {
  expect(isTooOld(180_000, 300_000, checkpointing)).toBe(false)
  expect(isTooOld(180_001, 300_000, checkpointing)).toBe(true)
  expect(isTooOld(Number.NEGATIVE_INFINITY, 300_000, checkpointing)).toBe(false)
})
