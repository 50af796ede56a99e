import { expect, test } from 'vitest'
import type { KafkaSaslOptions } from '../../../../../src/connectors/kafka/sasl-options.ts'
import { KafkaSink } from '../../../../../src/connectors/kafka/sink/kafka-sink.ts'
import { json } from '../../../../../src/formats/index.ts'

const user = (username: string): KafkaSaslOptions => ({ mechanism: 'plain', username, password: 'secret' })

function scopeOf(brokers: readonly string[], sasl?: KafkaSaslOptions): string | undefined {
  const properties = sasl === undefined ? {} : { sasl }
  return KafkaSink.of({ brokers, topic: 't', value: json(), properties }).transactionScope
}

test('sinks can end each other’s transactions only where brokers and user are the same (R16)', () => {
  const scope = scopeOf(['a:1', 'b:1'], user('x'))
  expect(scopeOf(['b:1', 'a:1'], user('x'))).toBe(scope)
  expect(scopeOf(['a:1'], user('x'))).not.toBe(scope)
  expect(scopeOf(['a:1', 'b:1'], user('y'))).not.toBe(scope)
  expect(scopeOf(['a:1', 'b:1'])).not.toBe(scope)
})

test('a sink without transactions has no scope', () => {
  const sink = KafkaSink.of({ brokers: ['a:1'], topic: 't', value: json(), deliveryGuarantee: 'at-least-once' })
  expect(sink.transactionScope).toBeUndefined()
})
