import { MillraceError } from '../common/errors.ts'
import { type OptionValue, optionOfKey, options } from './options.ts'

/** Resolved settings: flat Flink keys with parsed values (milliseconds, bytes). Keys that nobody set are absent. */
export type Configuration = Readonly<Record<string, OptionValue>>

/** A layer of settings as text, with the words that name it in messages. */
export interface ConfigurationLayer {
  /** Such as `millrace.yaml` or `-D`. */
  readonly origin: string
  /** What a person wrote for a key, where it is not the key itself: `-p`, or the name of a variable. */
  readonly nameOf?: (key: string) => string
  readonly entries: readonly (readonly [key: string, value: string])[]
}

/**
 * Merges layers, the first with the highest precedence (flags, environment, millrace.yaml).
 * @throws MillraceError MR_CONFIGURATION naming the layer, the key, the value and what is allowed
 */
export function resolveConfiguration(layers: readonly ConfigurationLayer[]): Configuration {
  const resolved: Record<string, OptionValue> = {}
  for (const layer of layers.toReversed()) {
    for (const [key, value] of layer.entries) resolved[key] = parseEntry(layer, key, value)
  }
  return resolved
}

function parseEntry({ origin, nameOf }: ConfigurationLayer, key: string, value: string): OptionValue {
  const option = optionOfKey.get(key)
  if (option === undefined) {
    const near = nearestKey(key)
    const hint = near === undefined ? 'see docs/configuration.md for all keys' : `did you mean ${near}?`
    throw new MillraceError('MR_CONFIGURATION', `${origin}: there is no key ${key}; ${hint}`)
  }
  return option.parse(value, nameOf === undefined ? `${origin}: ${key}` : nameOf(key))
}

/** The layer of `MILLRACE_…` variables: the key in capitals with `_` for `.` and `-`. Unknown ones are refused: a typing error must not be silent. */
export function environmentLayer(environment: Readonly<Record<string, string | undefined>>): ConfigurationLayer {
  const keyOfVariable = new Map(options.map((option) => [variableOfKey(option.key), option.key]))
  const entries: [string, string][] = []
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('MILLRACE_') || value === undefined || reservedVariables.has(name)) continue
    const key = keyOfVariable.get(name)
    if (key === undefined) {
      throw new MillraceError(
        'MR_CONFIGURATION',
        `the environment variable ${name} names no configuration key; see docs/configuration.md`,
      )
    }
    entries.push([key, value])
  }
  return { origin: 'environment', nameOf: variableOfKey, entries }
}

/** Variables with the prefix that are no configuration keys. */
const reservedVariables: ReadonlySet<string> = new Set(['MILLRACE_KAFKA_BROKERS', 'MILLRACE_LOG_LEVEL'])

export function variableOfKey(key: string): string {
  return `MILLRACE_${key.toUpperCase().replaceAll(/[.-]/g, '_')}`
}

/** Flattens nested maps of millrace.yaml: `taskmanager: { numberOfTaskSlots: 4 }` and the flat key mean the same. */
export function flattenDocument(document: unknown, origin: string): ConfigurationLayer {
  const entries: [string, string][] = []
  const visit = (value: unknown, path: readonly string[]): void => {
    if (value === null || value === undefined) return
    if (typeof value === 'object' && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) visit(inner, [...path, name])
      return
    }
    const name = path.join('.')
    if (name === '') throw new MillraceError('MR_CONFIGURATION', `${origin}: it must hold keys with values`)
    if (typeof value === 'object') {
      throw new MillraceError('MR_CONFIGURATION', `${origin}: ${name}: a list is not allowed; it takes one value`)
    }
    entries.push([name, String(value)])
  }
  visit(document, [])
  return { origin, entries }
}

/** The known key that needs the fewest edits, if few. */
function nearestKey(key: string): string | undefined {
  let best: { readonly key: string; readonly distance: number } | undefined
  for (const option of options) {
    const distance = editDistance(key.toLowerCase(), option.key.toLowerCase())
    if (best === undefined || distance < best.distance) best = { key: option.key, distance }
  }
  return best !== undefined && best.distance <= Math.max(3, key.length / 3) ? best.key : undefined
}

/** Levenshtein's distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution))
    }
    row = next
  }
  return row[right.length] ?? 0
}
