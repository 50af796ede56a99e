import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Sink } from 'millrace'
import { firstMoment, moment, progress, type SlotFigures } from './measuring.ts'
import { startProfile } from './profile.ts'

/** The same sink; notes when the last thing that it wrote was prepared or committed. Costs nothing for a record. */
export function timed<T>(folder: string, sink: Sink<T>): Sink<T> {
  return {
    connector: sink.connector,
    deliveryGuarantee: sink.deliveryGuarantee,
    createWriter(context) {
      const writer = sink.createWriter(context)
      const profile = startProfile()
      const prepare = writer.prepareCommit.bind(writer)
      const commit = writer.commit.bind(writer)
      const close = writer.close.bind(writer)
      let last = moment()
      writer.prepareCommit = async (checkpointId) => {
        const committables = await prepare(checkpointId)
        last = moment()
        return committables
      }
      writer.commit = async (committables) => {
        await commit(committables)
        if (committables.length > 0) last = moment()
      }
      writer.close = async () => {
        await (await profile)()
        const begin = firstMoment() ?? last
        const figures: SlotFigures = {
          firstMs: begin.atMs,
          firstCpuMs: begin.cpuMs,
          lastMs: last.atMs,
          lastCpuMs: last.cpuMs,
          count: 0,
          sums: [0, 0],
          progress: progress(),
        }
        writeFileSync(join(folder, `${context.subtaskIndex}-${context.attemptId}.json`), JSON.stringify(figures))
        await close()
      }
      return writer
    },
  }
}
