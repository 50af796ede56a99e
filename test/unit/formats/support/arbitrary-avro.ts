import fc from 'fast-check'

type Json = string | { readonly [name: string]: unknown } | readonly Json[]

/** A schema with what makes values of it, as Millrace has them. */
export interface ArbitraryAvro {
  readonly schema: Json
  readonly value: fc.Arbitrary<unknown>
}

const text = fc.string({ unit: 'grapheme', maxLength: 12 })
const bytes = (length?: number) =>
  fc
    .uint8Array(length === undefined ? { maxLength: 8 } : { minLength: length, maxLength: length })
    .map((array) => new Uint8Array(array))

const scalars: readonly ArbitraryAvro[] = [
  { schema: 'null', value: fc.constant(null) },
  { schema: 'boolean', value: fc.boolean() },
  { schema: 'int', value: fc.integer() },
  // avsc, which the bytes are compared with, writes another number for some below -(2^52).
  { schema: 'long', value: fc.maxSafeInteger().map((value) => Math.trunc(value / 4)) },
  { schema: 'float', value: fc.float({ noNaN: true }) },
  { schema: 'double', value: fc.double({ noNaN: true }) },
  { schema: 'string', value: text },
  { schema: 'bytes', value: bytes() },
]

/** Schemas of up to `depth` levels; names of records are their number, so that each is defined once. */
export function arbitraryAvro(depth: number): fc.Arbitrary<ArbitraryAvro> {
  let names = 0
  const fresh = () => `T${names++}`
  const scalar = fc.oneof(
    fc.constantFrom(...scalars),
    fc.constant(null).map(() => ({ schema: { type: 'fixed', name: fresh(), size: 3 }, value: bytes(3) })),
    fc
      .constant(null)
      .map(() => ({ schema: { type: 'enum', name: fresh(), symbols: ['A', 'B'] }, value: fc.constantFrom('A', 'B') })),
  )
  if (depth === 0) return scalar
  const below = arbitraryAvro(depth - 1)
  return fc.oneof(
    { weight: 2, arbitrary: scalar },
    { weight: 1, arbitrary: below.map(listOf) },
    { weight: 1, arbitrary: below.map(mapOf) },
    { weight: 1, arbitrary: below.filter(isNoUnion).map(nullableOf) },
    {
      weight: 3,
      arbitrary: fc.array(below, { minLength: 1, maxLength: 4 }).map((parts) => recordOf(`R${depth}_`, parts)),
    },
  )
}

let records = 0

export function recordOf(prefix: string, parts: readonly ArbitraryAvro[]): ArbitraryAvro {
  const fields = parts.map(({ schema }, index) => ({ name: `f${index}`, type: renamed(schema) }))
  return {
    schema: { type: 'record', name: `${prefix}${records++}`, fields },
    value: fc
      .tuple(...parts.map(({ value }) => value))
      .map((values) => Object.fromEntries(values.map((value, index) => [`f${index}`, value]))),
  }
}

/** Shrinking and drawing twice may bring a schema back: each place gets names of its own. */
function renamed(schema: Json): Json {
  if (typeof schema === 'string') return schema
  if (Array.isArray(schema)) return schema.map(renamed)
  return Object.fromEntries(
    Object.entries(schema).map(([key, part]) => {
      if (key === 'name' && 'type' in schema && typeof part === 'string' && !/^f\d+$/.test(part)) {
        return [key, `N${records++}`]
      }
      const isSchema = key === 'type' || key === 'items' || key === 'values' || key === 'fields'
      return [key, isSchema && typeof part === 'object' ? renamed(part as Json) : part]
    }),
  )
}

function isNoUnion({ schema }: ArbitraryAvro): boolean {
  return schema !== 'null' && !Array.isArray(schema)
}

function listOf({ schema, value }: ArbitraryAvro): ArbitraryAvro {
  return { schema: { type: 'array', items: schema }, value: fc.array(value, { maxLength: 4 }) }
}

function mapOf({ schema, value }: ArbitraryAvro): ArbitraryAvro {
  const entries = fc.array(fc.tuple(text, value), { maxLength: 3 })
  // Object.fromEntries makes a field of its own of any name, such as __proto__.
  return { schema: { type: 'map', values: schema }, value: entries.map((list) => Object.fromEntries(list)) }
}

function nullableOf({ schema, value }: ArbitraryAvro): ArbitraryAvro {
  return { schema: ['null', schema], value: fc.option(value) }
}
