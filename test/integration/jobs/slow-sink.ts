// Exactly-once files whose preparation takes longer than a checkpoint may, now and then. Arguments: how many numbers, output
// folder, pause in milliseconds a 200 records, slow milliseconds.
import { job, type Sink } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { paced } from './paced.ts'

/** Two preparations of three are slow, as on a disk that is busy with something else. */
function slow<T>(sink: Sink<T>, slowMs: number): Sink<T> {
  return {
    connector: sink.connector,
    deliveryGuarantee: sink.deliveryGuarantee,
    createWriter: (context) => {
      const writer = sink.createWriter(context)
      let preparations = 0
      return {
        get writable() {
          return writer.writable
        },
        write: (value, timestamp) => writer.write(value, timestamp),
        prepareCommit: async (checkpointId) => {
          const prepared = writer.prepareCommit(checkpointId)
          if (++preparations % 3 !== 0) await new Promise((settle) => setTimeout(settle, slowMs))
          return prepared
        },
        commit: (committables) => writer.commit(committables),
        close: () => writer.close(),
      }
    },
  }
}

export default job('slow-sink', (env, [count = '1000', folder = '.', pauseMs = '0', slowMs = '0']) => {
  env
    .fromSequence(1, Number(count))
    .map(paced(200, Number(pauseMs)))
    .map((number) => ({ number }))
    .sinkTo(slow(FileSink.of<{ number: number }>({ folder }), Number(slowMs)))
})
