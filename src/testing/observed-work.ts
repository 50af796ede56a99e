import type { AsyncFunction } from '../api/async-functions.ts'
import type { Sink, SinkWriter } from '../api/sink.ts'
import type { StreamGraph } from '../graph/stream-graph.ts'
import type { ClusterTime } from './cluster-time.ts'

/**
 * The same graph, whose sinks and asynchronous functions tell the clock while they work: virtual time does not run past a
 * file that is being written, or an answer that is on its way.
 */
export function withObservedWork(graph: StreamGraph, time: ClusterTime): StreamGraph {
  const nodes = graph.nodes.map((node) => {
    const { spec } = node
    if (spec.kind === 'sink') return { ...node, spec: { ...spec, sink: observed(spec.sink, time) } }
    if (spec.kind === 'async') return { ...node, spec: { ...spec, invoke: observedFunction(spec.invoke, time) } }
    return node
  })
  return { ...graph, nodes }
}

function observedFunction(invoke: AsyncFunction<unknown, unknown>, time: ClusterTime): AsyncFunction<unknown, unknown> {
  return (value, context) => time.trackCall(Promise.resolve(invoke(value, context)))
}

function observed(sink: Sink<unknown>, time: ClusterTime): Sink<unknown> {
  return {
    connector: sink.connector,
    deliveryGuarantee: sink.deliveryGuarantee,
    transactionalIdPrefix: sink.transactionalIdPrefix,
    transactionScope: sink.transactionScope,
    createWriter: (context) => new ObservedWriter(sink.createWriter(context), time),
  }
}

class ObservedWriter implements SinkWriter<unknown> {
  readonly #writer: SinkWriter<unknown>
  readonly #time: ClusterTime

  constructor(writer: SinkWriter<unknown>, time: ClusterTime) {
    this.#writer = writer
    this.#time = time
  }

  get writable(): boolean {
    return this.#writer.writable
  }

  write(value: unknown, timestamp: number): void {
    this.#writer.write(value, timestamp)
  }

  prepareCommit(checkpointId: number): ReturnType<SinkWriter<unknown>['prepareCommit']> {
    return this.#time.track(this.#writer.prepareCommit(checkpointId))
  }

  commit(committables: Parameters<SinkWriter<unknown>['commit']>[0]): Promise<void> {
    return this.#time.track(this.#writer.commit(committables))
  }

  transactionalIdsGranted(mark: number): void {
    this.#writer.transactionalIdsGranted?.(mark)
  }

  async fence(transactionalIds: readonly string[]): Promise<void> {
    await this.#writer.fence?.(transactionalIds)
  }

  discard(committables: Parameters<SinkWriter<unknown>['commit']>[0]): void {
    this.#writer.discard?.(committables)
  }

  abandon(): void {
    this.#writer.abandon?.()
  }

  close(): Promise<void> {
    return this.#time.track(this.#writer.close())
  }
}
