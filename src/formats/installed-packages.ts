import { createRequire } from 'node:module'

/*
 * Packages that only some jobs need are loaded when the first of their formats is made: `millrace/formats` is part of
 * every job, and each slot's thread loads it.
 */
const load = createRequire(import.meta.url)

export function avscPackage(): typeof import('avsc') {
  return load('avsc') as typeof import('avsc')
}

export function csvParsePackage(): typeof import('csv-parse/sync') {
  return load('csv-parse/sync') as typeof import('csv-parse/sync')
}

/** With what reads descriptors, which adds itself to the types of protobufjs. */
export function protobufPackage(): typeof import('protobufjs') {
  const protobufjs = load('protobufjs') as typeof import('protobufjs')
  load('protobufjs/ext/descriptor')
  return protobufjs
}
