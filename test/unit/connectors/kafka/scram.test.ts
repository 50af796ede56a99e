import { describe, expect, test } from 'vitest'
import { ScramClient } from '../../../../src/connectors/kafka/scram.ts'

const user = { username: 'user', password: 'pencil' }

/** RFC 7677 section 3. */
const vector = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  final: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
} as const

describe('SCRAM', () => {
  test('the messages of RFC 7677 come out', async () => {
    const client = new ScramClient('sha256', user, vector.nonce)
    expect(client.firstMessage()).toBe(vector.first)
    expect(await client.finalMessage(vector.serverFirst)).toBe(vector.final)
    expect(() => client.checkServerFinal(vector.serverFinal)).not.toThrow()
  })

  test('a server that does not know the password is refused', async () => {
    const client = new ScramClient('sha256', user, vector.nonce)
    expect(() => client.checkServerFinal(vector.serverFinal)).toThrow('does not prove')
    await client.finalMessage(vector.serverFirst)
    const forged = `v=${Buffer.alloc(32).toString('base64')}`
    for (const final of [forged, 'v=', '', 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==']) {
      expect(() => client.checkServerFinal(final)).toThrow('does not prove')
    }
    expect(() => client.checkServerFinal('e=invalid-proof')).toThrow('refuses the log-in: invalid-proof')
  })

  test('commas and equals signs of a name are escaped', () => {
    const client = new ScramClient('sha512', { username: 'a=b,c', password: 'x' }, 'nonce')
    expect(client.firstMessage()).toBe('n,,n=a=3Db=2Cc,r=nonce')
  })

  test('first answers that are unsafe are refused', async () => {
    const answers: Readonly<Record<string, string>> = {
      'r=other,s=W22Z,i=4096': 'nonce does not continue',
      'r=nonce,s=W22Z,i=4096': 'nonce does not continue',
      'r=nonce1,s=W22Z,i=4095': '4095 iterations',
      'r=nonce1,s=W22Z,i=99999999999': 'iterations',
      'r=nonce1,s=W22Z,i=1e5': 'iterations',
      'm=ext,r=nonce1,s=W22Z,i=4096': 'extension',
      'r=nonce1,i=4096': 'the first answer is none',
      'e=other-error': 'the first answer is none',
      '': 'the first answer is none',
    }
    for (const [answer, message] of Object.entries(answers)) {
      await expect(new ScramClient('sha256', user, 'nonce').finalMessage(answer)).rejects.toThrow(message)
    }
  })

  test('SHA-512: client and server signatures agree with those computed step by step', async () => {
    const { createHash, createHmac, pbkdf2Sync } = await import('node:crypto')
    const client = new ScramClient('sha512', user, 'abc')
    const serverFirst = `r=abcdef,s=${Buffer.from('salt').toString('base64')},i=5000`
    const final = await client.finalMessage(serverFirst)
    const hmac = (key: Buffer, text: string) => createHmac('sha512', key).update(text).digest()
    const salted = pbkdf2Sync('pencil', 'salt', 5000, 64, 'sha512')
    const signed = `n=user,r=abc,${serverFirst},c=biws,r=abcdef`
    // What a server does: the proof xor the client signature is the client key, whose hash it has stored.
    const storedKey = createHash('sha512').update(hmac(salted, 'Client Key')).digest()
    const proof = Buffer.from(final.slice(final.indexOf(',p=') + 3), 'base64')
    const signature = hmac(storedKey, signed)
    const clientKey = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] ?? 0)))
    expect(createHash('sha512').update(clientKey).digest()).toEqual(storedKey)
    const serverSignature = hmac(hmac(salted, 'Server Key'), signed).toString('base64')
    expect(() => client.checkServerFinal(`v=${serverSignature}`)).not.toThrow()
  })
})
