import { expect, test } from 'vitest'
import { withoutSecrets } from '../../../src/common/without-secrets.ts'

test('log-ins and private keys are hidden at any depth, the rest stays', () => {
  const key = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFHDBOBgkq\n-----END ENCRYPTED PRIVATE KEY-----\n'
  const connection = {
    clientId: 'millrace',
    sasl: {
      mechanism: 'aws',
      accessKeyId: 'AKIA',
      secretAccessKey: 'wJalr',
      sessionToken: 'FQoG',
      password: 'swordfish',
    },
    ssl: { ca: '-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----', key, passphrase: 'opensesame' },
  }
  const shown = JSON.stringify(withoutSecrets([{ source: { options: { connection } } }, null, 3]))
  for (const secret of ['AKIA', 'wJalr', 'FQoG', 'swordfish', 'MIIFHDBOBgkq', 'opensesame'])
    expect(shown).not.toContain(secret)
  expect(shown).toContain('"mechanism":"aws"')
  expect(shown).toContain('BEGIN CERTIFICATE')
  expect(withoutSecrets({ sasl: null, password: null })).toEqual({ sasl: null, password: null })
})
