import { expect, test } from 'vitest'
import { murmur3 } from '../../../src/common/murmur3.ts'

const hash = (text: string, seed: number) => {
  const bytes = Buffer.from(text, 'latin1')
  return murmur3(bytes, 0, bytes.length, seed) >>> 0
}

test('the published vectors of MurmurHash3_x86_32 come out', () => {
  const vectors: readonly [string, number, number][] = [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['\xff\xff\xff\xff', 0, 0x76293b50],
    ['\x21\x43\x65\x87', 0, 0xf55b516b],
    ['\x21\x43\x65\x87', 0x5082edee, 0x2362f9de],
    ['\x21\x43\x65', 0, 0x7e4a8634],
    ['\x21\x43', 0, 0xa0f7b07a],
    ['\x21', 0, 0x72661cf4],
    ['\0\0\0\0', 0, 0x2362f9de],
    ['\0\0\0', 0, 0x85f0b427],
    ['\0\0', 0, 0x30f4c306],
    ['\0', 0, 0x514e28b7],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['abcd', 0x9747b28c, 0xf0478627],
    ['abc', 0x9747b28c, 0xc84a62dd],
    ['ab', 0x9747b28c, 0x74875592],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ]
  for (const [text, seed, expected] of vectors) expect([text, hash(text, seed)]).toEqual([text, expected])
})

test('only the named range is hashed', () => {
  const bytes = Buffer.from('xxaaayy')
  expect(murmur3(bytes, 2, 5, 0x9747b28c) >>> 0).toBe(0x283e0130)
})
