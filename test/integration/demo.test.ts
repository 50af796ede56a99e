import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, inject, test } from 'vitest'

/** What `npm run demo` does after the build, which is that of npm test. */
async function demo(environment: Readonly<Record<string, string>>): Promise<{ code: number | null; output: string }> {
  const { KAFKA_BROKERS: _, ...own } = process.env
  const child = spawn(process.execPath, ['scripts/demo.ts'], {
    cwd: resolve(import.meta.dirname, '../..'),
    env: { ...own, NO_COLOR: '1', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  return new Promise((settle) => child.on('close', (code) => settle({ code, output })))
}

test.each([
  ['a generator', () => ({})],
  ['a real topic', () => ({ KAFKA_BROKERS: inject('kafkaBootstrap') })],
])(
  'the demo reads %s, loses a slot on the way, and ends within a minute with nothing lost or doubled',
  async (_, environment) => {
    const begun = performance.now()
    const { code, output } = await demo(environment())
    expect(code, output).toBe(0)
    expect(output).toMatch(
      /views in \d+ windows; one slot was killed: 0 lost, 0 doubled\.\nNothing was lost or doubled\.\n$/,
    )
    expect(performance.now() - begun).toBeLessThan(60_000)
  },
)
