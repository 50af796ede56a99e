const longestText = 1000

/** JSON for a message: of anything, and not too long. */
export function recordText(value: unknown): string {
  const text = jsonText(value)
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text
}

/** JSON of anything: bigints as `1n`, and what has no JSON as text. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value)
  } catch {
    return textOf(value) // a cycle, or a toJSON that throws: the message must still come
  }
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value without a text'
  }
}
