import type { Configuration } from './configuration.ts'

const secretKey = /(?:password|passphrase|secret|token|access-?key)(?:$|[.-])/i

/** What may be shown of a configuration: secrets, and log-ins in URLs, are hidden. */
export function shownConfiguration(configuration: Configuration): readonly { key: string; value: string }[] {
  return Object.entries(configuration)
    .map(([key, value]) => ({ key, value: secretKey.test(key) ? '(hidden)' : withoutLogIn(String(value)) }))
    .toSorted((left, right) => (left.key < right.key ? -1 : 1))
}

function withoutLogIn(value: string): string {
  return value.replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/?#,]*@/gi, '$1(hidden)@')
}
