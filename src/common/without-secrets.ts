/** Names under which connectors keep what must not be shown: log-ins, and TLS keys as PEM text. */
const secretName = /^(password|passphrase|secret.*|.*secret|.*token|accessKeyId)$/i

const hidden = '(hidden)'

/** The same data, with the texts of secrets replaced: a plan is pasted into tickets. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (typeof value === 'string')
    return value.replaceAll(/-----BEGIN [^-]*PRIVATE KEY-----[\s\S]*?-----END [^-]*-----/g, hidden)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      secretName.test(name) && inner !== null ? hidden : withoutSecrets(inner),
    ]),
  )
}
