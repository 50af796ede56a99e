/** Seeded text that is JSON of the type below, or nearly. A linear congruential generator, so that a seed says it all. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
}

const pieces = [
  'u1',
  'é',
  '𝒳',
  '"',
  '\\',
  '\n',
  'ß',
  '語',
  '\u0001',
  '}',
  '{',
  '":"',
  ',"value":',
  'a b',
  '\u2028',
  '',
  '/',
  'abcdefghij',
  '\ud800',
]
const numbers = [
  '0',
  '-0',
  '1',
  '-1',
  '12345.678',
  '1690000000000',
  '1e+21',
  '1e-7',
  '123456789012345',
  '1234567890123456',
  '9007199254740993',
  '0.1',
  '-273.15',
  '1e300',
  '1e999',
  '4503599627370497.5',
  '0.30000000000000004',
  '2147483647',
  '2147483648',
  '-2147483648',
  '-2147483649',
  '1.0',
  '100e-2',
  '0.000001',
  '-0.0',
  '999999999',
  '1000000000',
  '123456789.123456',
]
const brokenValues = [
  '01',
  '1.',
  '-',
  '.5',
  '+1',
  'nul',
  'tru',
  'NaN',
  '"a',
  "'a'",
  '[1,]',
  '{"a"}',
  '',
  '"\t"',
  '"\\x"',
  '0x1',
]
const otherValues = ['null', 'true', 'false', '"5"', '""', '[]', '{}', '[1,{"a":[]}]', '{"value":7}', '7']
const separators = [',', ', ', ' ,', ',\n  ', ',\t']
const colons = [':', ': ', ' :', '\n:\r']

export interface RandomJson {
  readonly text: string
  /** The text as bytes, sometimes with a byte that is changed. */
  readonly bytes: Buffer
}

/** Makes texts with fields userId, page (string), ts (long), value (int32), ratio (double), note, flag (nullable). */
export function randomJson(seed: number): () => RandomJson {
  const below = randomNumbers(seed)
  const pick = (list: readonly string[]) => list[below(list.length)] as string
  const text = () => Array.from({ length: below(5) }, () => pick(pieces)).join('')
  const string = () => {
    const plain = JSON.stringify(text())
    return below(20) === 0 ? plain.replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`) : plain
  }
  const integer = () => (below(8) === 0 ? pick(numbers) : String(below(1 << 23) - (1 << 22)))
  const number = () => (below(2) === 0 ? pick(numbers) : String((below(1 << 23) - (1 << 22)) / 1000))
  const makers: Readonly<Record<string, () => string>> = {
    userId: string,
    page: string,
    ts: () => (below(4) === 0 ? pick(numbers) : `16900${below(100000000)}`),
    value: integer,
    ratio: number,
    note: () => (below(3) === 0 ? 'null' : string()),
    flag: () => pick(['true', 'false', 'null']),
    other: () => pick(otherValues),
    userIds: string,
    valu: number,
    'é"': number,
  }
  const field = (name: string): string => {
    const kind = below(400)
    const value = kind === 0 ? pick(brokenValues) : kind < 6 ? pick(otherValues) : (makers[name] as () => string)()
    const key = below(200) === 0 ? JSON.stringify(name).replace('s', '\\u0073') : JSON.stringify(name)
    return `${key}${below(20) === 0 ? pick(colons) : ':'}${value}`
  }
  const names = () => {
    const list = ['userId', 'page', 'ts', 'value', 'ratio', 'note', 'flag']
    if (below(3) === 0) for (const name of ['other', 'userIds', 'valu', 'é"']) if (below(2) === 0) list.push(name)
    if (below(4) === 0) list.sort(() => below(3) - 1)
    if (below(10) === 0) list.splice(below(list.length), 1)
    if (below(40) === 0) list.push(list[0] as string)
    return list
  }
  return () => {
    const fields = names().map(field)
    let made = `{${fields.join(below(10) === 0 ? pick(separators) : ',')}}`
    if (below(30) === 0) made = made.slice(0, below(made.length + 1))
    if (below(30) === 0) made = pick([' ', '\n', '\r\n', '\ufeff', '\u00a0']) + made
    if (below(30) === 0) made += pick([' ', '\n', '}', ',', '{}', '\u0000', ' x'])
    const bytes = Buffer.from(made)
    if (below(30) === 0 && bytes.length > 0) bytes[below(bytes.length)] = below(256)
    return { text: made, bytes }
  }
}
