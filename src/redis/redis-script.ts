import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isMillraceError } from '../common/errors.ts'
import type { RedisArgument, RedisConnection, RedisReply } from './redis-connection.ts'

/** A script of src/redis/scripts. Its header says what its KEYS and ARGV are and what it returns. */
export interface RedisScript {
  readonly name: string
  readonly source: string
  readonly sha1: string
}

const loaded = new Map<string, RedisScript>()

/** `name`: of the file, without `.lua`. It is read once a process. */
export function redisScript(name: string): RedisScript {
  const known = loaded.get(name)
  if (known !== undefined) return known
  const source = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
  const script = { name, source, sha1: createHash('sha1').update(source).digest('hex') }
  loaded.set(name, script)
  return script
}

/**
 * Runs a script, sending its text only where the server does not know it (F16). Where commands are pipelined and their
 * order counts, `loadScripts` first: one that is not known is sent a second time, after what was sent meanwhile.
 * @throws MillraceError MR_FENCED, MR_REDIS_…
 */
export async function runScript(
  connection: RedisConnection,
  script: RedisScript,
  keys: readonly string[],
  parameters: readonly RedisArgument[],
): Promise<RedisReply> {
  return await run(script, (command, text) => connection.call(command, text, keys.length, ...keys, ...parameters))
}

/** As `runScript`, with texts of the answer as bytes. */
export async function runScriptBuffer(
  connection: RedisConnection,
  script: RedisScript,
  keys: readonly string[],
  parameters: readonly RedisArgument[],
): Promise<RedisReply> {
  return await run(script, (command, text) => connection.callBuffer(command, text, keys.length, ...keys, ...parameters))
}

/** Makes scripts known to the server, as far as its memory goes: SCRIPT FLUSH and a restart forget them. */
export async function loadScripts(connection: RedisConnection, scripts: readonly RedisScript[]): Promise<void> {
  await Promise.all(scripts.map(({ source }) => connection.call('SCRIPT', 'LOAD', source)))
}

async function run(
  script: RedisScript,
  send: (command: string, text: string) => Promise<RedisReply>,
): Promise<RedisReply> {
  try {
    return await send('EVALSHA', script.sha1)
  } catch (error) {
    if (!isMillraceError(error) || !error.message.includes('NOSCRIPT')) throw error
    return await send('EVAL', script.source)
  }
}
