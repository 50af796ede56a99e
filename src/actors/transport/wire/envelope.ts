import { MillraceError } from '../../../common/errors.ts'
import type { Address, Envelope } from '../transport.ts'
import { AvroReader, AvroWriter } from './avro-bytes.ts'
import { readValue, valueSchema, writeValue } from './value.ts'

/** How an envelope stands in a stream's entry. */
export const envelopeSchema = {
  type: 'record',
  name: 'Envelope',
  namespace: 'millrace.wire',
  fields: [
    { name: 'protocolVersion', type: 'int' },
    { name: 'from', type: 'string' },
    { name: 'to', type: 'string' },
    { name: 'token', type: 'string' },
    { name: 'leaderToken', type: ['null', 'string'] },
    { name: 'sequence', type: 'long' },
    { name: 'body', type: valueSchema },
  ],
} as const

export interface AddressedEnvelope {
  readonly to: Address
  readonly envelope: Envelope
}

/** @throws MillraceError MR_INTERNAL where the body is no plain data */
export function encodeEnvelope({ to, envelope }: AddressedEnvelope): Buffer {
  const writer = new AvroWriter()
  writer.long(envelope.protocolVersion)
  writer.string(envelope.from)
  writer.string(to)
  writer.string(envelope.token)
  if (envelope.leaderToken === undefined) writer.long(0)
  else {
    writer.long(1)
    writer.string(envelope.leaderToken)
  }
  writer.long(envelope.sequence)
  writeValue(writer, envelope.body)
  return writer.finish()
}

/** @throws MillraceError MR_MESSAGE_DAMAGED */
export function decodeEnvelope(bytes: Buffer): AddressedEnvelope {
  const reader = new AvroReader(bytes)
  const protocolVersion = reader.long()
  if (protocolVersion !== 1) {
    throw new MillraceError(
      'MR_MESSAGE_DAMAGED',
      `a message of protocol version ${protocolVersion}; this process speaks 1`,
    )
  }
  const from = reader.string()
  const to = reader.string()
  const token = reader.string()
  const isLeaders = reader.long()
  if (isLeaders !== 0 && isLeaders !== 1) throw reader.damaged('no leader token')
  const leaderToken = isLeaders === 1 ? reader.string() : undefined
  const sequence = reader.long()
  const body = readValue(reader)
  reader.end()
  const envelope = { protocolVersion: 1, from, token, sequence, body } as const
  return { to, envelope: leaderToken === undefined ? envelope : { ...envelope, leaderToken } }
}
