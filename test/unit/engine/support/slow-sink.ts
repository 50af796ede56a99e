import type { Sink } from 'millrace'
import { turn } from '../../../../src/task/turn.ts'

/** Takes turns of the event loop for what a real sink does on a disk or over a network: failures come in between. */
export function slowSink<T>(sink: Sink<T>, turns: number): Sink<T> {
  const pause = async (): Promise<void> => {
    for (let done = 0; done < turns; done++) await turn()
  }
  return {
    connector: sink.connector,
    deliveryGuarantee: sink.deliveryGuarantee,
    createWriter(context) {
      const writer = sink.createWriter(context)
      return {
        writable: true,
        write: (value, timestamp) => writer.write(value, timestamp),
        async prepareCommit(checkpointId) {
          // The cut is made at once.
          const prepared = writer.prepareCommit(checkpointId)
          await pause()
          return prepared
        },
        async commit(committables) {
          await pause()
          await writer.commit(committables)
        },
        close: () => writer.close(),
      }
    },
  }
}
