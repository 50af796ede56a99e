import { readFileSync } from 'node:fs'

/** Version of the running engine, from its package.json (two folders up from here, in the sources and in dist). */
export const engineVersion: string = readVersion()

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String((manifest as { readonly version?: unknown }).version)
}
