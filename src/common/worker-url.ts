import { extname } from 'node:path'

/**
 * URL of a sibling module that is an entry of its own (a worker thread, a child process). `parentUrl` is the caller's
 * `import.meta.url`: a caller that runs as `.ts` gets the `.ts` module, one that runs from `dist` the `.js` one.
 */
export function workerUrl(name: string, parentUrl: string): URL {
  return new URL(`${name}${extname(new URL(parentUrl).pathname)}`, parentUrl)
}
