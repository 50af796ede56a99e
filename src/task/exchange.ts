import { MillraceError } from '../common/errors.ts'
import type { ChannelId } from '../common/ids.ts'
import type { DataType } from '../formats/data-type.ts'
import type { BatchCodec } from '../formats/format.ts'
import type { JobEdge, JobGraph, JobVertex } from '../graph/job-graph.ts'
import { shuffleCombinationOf, type WindowCombination } from '../graph/window-combining.ts'
import type { WrittenEdge } from './chain-builder.ts'
import { createColumnEdgeWriter } from './columns/column-edge.ts'
import { createEdgeWriter } from './edge-writer.ts'
import { InputChannel } from './input-channel.ts'
import { type Connection, LocalConnection, OutputChannel } from './output-channel.ts'
import type { PeerLink } from './peer-link.ts'
import type { InputChannel as DeployedInput, OutputEdge, SubtaskDeployment } from './slot-protocol.ts'
import { windowPartialCodec } from './window-partial.ts'

export interface ExchangeOptions {
  readonly jobSlot: number
  readonly graph: JobGraph
  /** All subtasks that a deployment gives this slot: channels between them are connected inside it. */
  readonly subtasks: readonly SubtaskDeployment[]
  /** By the job slot at the other end. */
  readonly links: ReadonlyMap<number, PeerLink>
  codecOf(type: DataType<unknown>): BatchCodec
}

/** The channels of one deployment, made before anything runs, so that nothing that arrives finds no receiver. */
export class Exchange {
  readonly #options: ExchangeOptions
  readonly #inputs = new Map<ChannelId, InputChannel>()

  constructor(options: ExchangeOptions) {
    this.#options = options
    for (const { inputs } of options.subtasks) for (const input of inputs) this.#addInput(input)
  }

  inputsOf(deployment: SubtaskDeployment): readonly InputChannel[] {
    return deployment.inputs.map(({ channelId }) => this.#input(channelId))
  }

  edgesOf(deployment: SubtaskDeployment): readonly WrittenEdge[] {
    return deployment.outputs.map((output) => {
      const edge = this.#edge(output.edgeId)
      return { edge, writer: this.#writer(edge, output, deployment) }
    })
  }

  #addInput({ channelId, edgeId, fromSlot }: DeployedInput): void {
    const input = new InputChannel()
    this.#inputs.set(channelId, input)
    if (fromSlot === this.#options.jobSlot) return
    this.#link(fromSlot).addInput(channelId, input, this.#codecOf(this.#edge(edgeId)))
  }

  #writer(edge: JobEdge, output: OutputEdge, deployment: SubtaskDeployment): WrittenEdge['writer'] {
    const hashed = edge.partitioner.kind === 'hash'
    const receiver = this.#vertex(edge.toVertex)
    const connections = output.channels.map(({ channelId, toSlot }) => this.#connection(edge, channelId, toSlot))
    if (edge.columns !== undefined && connections.length > 0) {
      return createColumnEdgeWriter(edge.columns, connections, {
        keySelector: receiver.operators[0]?.keySelector,
        maxParallelism: receiver.maxParallelism,
        receiverName: receiver.operators[0]?.name ?? receiver.name,
      })
    }
    return createEdgeWriter({
      partitioner: edge.partitioner,
      channels: connections.map((connection) => new OutputChannel(connection, hashed)),
      subtaskIndex: deployment.subtaskIndex,
      maxParallelism: receiver.maxParallelism,
      receiverName: receiver.operators[0]?.name ?? receiver.name,
      combination: this.#combinationOf(edge),
      combine: edge.combine,
      receiverTakesFailures: receiver.operators[0]?.deadLetters !== undefined,
    })
  }

  #connection(edge: JobEdge, channelId: ChannelId, toSlot: number): Connection {
    if (toSlot === this.#options.jobSlot) {
      return new LocalConnection(this.#input(channelId), edge.partitioner.kind === 'hash')
    }
    return this.#link(toSlot).openOutput(channelId, this.#codecOf(edge))
  }

  /** undefined: columns, which are written where they lie. */
  #codecOf(edge: JobEdge): BatchCodec | undefined {
    if (edge.columns !== undefined) return undefined
    const combination = this.#combinationOf(edge)
    if (combination === undefined) return this.#options.codecOf(edge.type)
    return windowPartialCodec(combination.aggregate.accumulatorType ?? { kind: 'untyped' })
  }

  /**
   * Both ends of a hash edge know by the operator that reads it whether its records are combined (R34). Not where single
   * ones may become dead letters.
   */
  #combinationOf(edge: JobEdge): WindowCombination | undefined {
    const head = this.#vertex(edge.toVertex).operators[0]
    const combines = edge.partitioner.kind === 'hash' && head !== undefined && head.deadLetters === undefined
    return combines ? shuffleCombinationOf(head.spec) : undefined
  }

  #input(channelId: ChannelId): InputChannel {
    return this.#inputs.get(channelId) ?? missing(`channel ${channelId}`)
  }

  #link(slot: number): PeerLink {
    return this.#options.links.get(slot) ?? missing(`a port to slot ${slot}`)
  }

  #edge(edgeId: number): JobEdge {
    return this.#options.graph.edges[edgeId] ?? missing(`edge ${edgeId}`)
  }

  #vertex(vertexId: string): JobVertex {
    return this.#options.graph.vertices.find(({ id }) => id === vertexId) ?? missing(`vertex ${vertexId}`)
  }
}

function missing(what: string): never {
  throw new MillraceError('MR_INTERNAL', `the deployment lacks ${what}`)
}
