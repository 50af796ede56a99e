import { createRequire } from 'node:module'

/*
 * Packages that only some jobs need are loaded when the first of their formats is made: `millrace/formats` is part of
 * every job, and each slot's thread loads it.
 */
const load = createRequire(import.meta.url)

export function avscPackage(): typeof import('avsc') {
  return load('avsc') as typeof import('avsc')
}
