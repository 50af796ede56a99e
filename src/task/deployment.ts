import { MillraceError } from '../common/errors.ts'
import type { DataType } from '../formats/data-type.ts'
import type { BatchCodec } from '../formats/format.ts'
import type { JobGraph } from '../graph/job-graph.ts'
import { Exchange } from './exchange.ts'
import { PeerLink } from './peer-link.ts'
import type { PeerPort } from './slot-host.ts'
import type { SubtaskDeployment } from './slot-protocol.ts'
import { Subtask } from './subtask.ts'
import type { SubtaskServices } from './subtask-services.ts'

export interface DeploymentOptions {
  readonly slotIndex: number
  readonly graph: JobGraph
  readonly subtasks: readonly SubtaskDeployment[]
  /** By peer slot. */
  readonly ports: ReadonlyMap<number, PeerPort>
  readonly services: SubtaskServices
  codecOf(type: DataType<unknown>): BatchCodec
}

/** Subtasks that were deployed to a slot together, with the ports to the other slots of that deployment. */
export class Deployment {
  readonly subtasks: readonly Subtask[]
  readonly #links: readonly PeerLink[]

  constructor(options: DeploymentOptions) {
    const { slotIndex, graph, services, codecOf } = options
    const links = new Map([...options.ports].map(([peer, port]) => [peer, new PeerLink(port, () => services.wake())]))
    const exchange = new Exchange({ slotIndex, graph, subtasks: options.subtasks, links, codecOf })
    this.#links = [...links.values()]
    this.subtasks = options.subtasks.map((deployment) => {
      const vertex = graph.vertices.find(({ id }) => id === deployment.vertexId)
      if (vertex === undefined) throw new MillraceError('MR_INTERNAL', `the graph has no vertex ${deployment.vertexId}`)
      const channels = { inputs: exchange.inputsOf(deployment), edges: exchange.edgesOf(deployment) }
      return new Subtask(deployment, vertex, channels, services)
    })
  }

  /** Takes in what other slots have sent; true where there was something. */
  poll(): boolean {
    let arrived = false
    for (const link of this.#links) if (link.poll()) arrived = true
    return arrived
  }

  /**
   * True, with the ports closed, when nothing of it is left. Where subtasks have finished the ports stay open: the other
   * slots may not have read everything.
   */
  closeIfGone(): boolean {
    if (this.subtasks.some((subtask) => subtask.state !== 'canceled' && subtask.state !== 'failed')) return false
    for (const link of this.#links) link.close()
    return true
  }
}
