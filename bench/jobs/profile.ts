import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

/** With PROFILE set to a folder, writes a CPU profile of this slot's thread there: `finish` is called when its sink closes. */
export async function startProfile(): Promise<() => Promise<void>> {
  const folder = process.env['PROFILE']
  if (folder === undefined) return async () => {}
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 500 })
  await session.post('Profiler.start')
  return async () => {
    const { profile } = await session.post('Profiler.stop')
    writeFileSync(join(folder, `slot-${process.pid}-${threadId}.cpuprofile`), JSON.stringify(profile))
  }
}
