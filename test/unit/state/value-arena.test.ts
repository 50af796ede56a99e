import { expect, test } from 'vitest'
import { serializerOf } from '../../../src/formats/serializer.ts'
import { untyped } from '../../../src/formats/types.ts'
import { ValueArena } from '../../../src/state/value-arena.ts'

test('values lie in the arena as they were serialised, small ones and some of more than a page', () => {
  const serializer = serializerOf(untyped<string>())
  const arena = new ValueArena(serializer)
  const values = Array.from({ length: 20_000 }, (_, index) => `value ${index}`)
  values.splice(100, 0, 'x'.repeat(1_000_000))
  const places = values.map((value) => arena.add(value))
  values.forEach((value, index) => {
    const bytes = arena.at(places[index] as number)
    expect(serializer.decode(bytes, 0, bytes.length)).toBe(value)
  })
})

test('a value that can not be stored leaves nothing behind', () => {
  const serializer = serializerOf(untyped<unknown>())
  const arena = new ValueArena(serializer)
  expect(() => arena.add(() => 1)).toThrow('only plain data')
  const bytes = arena.at(arena.add('next'))
  expect(serializer.decode(bytes, 0, bytes.length)).toBe('next')
})
