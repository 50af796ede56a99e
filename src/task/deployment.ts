import { MillraceError } from '../common/errors.ts'
import type { AttemptId } from '../common/ids.ts'
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
  readonly jobSlot: number
  readonly graph: JobGraph
  readonly subtasks: readonly SubtaskDeployment[]
  /** By the job slot at the other end. */
  readonly ports: ReadonlyMap<number, PeerPort>
  readonly services: SubtaskServices
  codecOf(type: DataType<unknown>): BatchCodec
}

/** Subtasks that were deployed to a slot together, with the ports to the other slots of that deployment. */
export class Deployment {
  /** Those that are not forgotten. */
  #subtasks: readonly Subtask[]
  readonly #deployed: readonly SubtaskDeployment[]
  readonly #links: readonly PeerLink[]
  #hasFinished = false

  constructor(options: DeploymentOptions) {
    const { jobSlot, graph, services, codecOf } = options
    const links = new Map([...options.ports].map(([peer, port]) => [peer, new PeerLink(port, () => services.wake())]))
    const exchange = new Exchange({ jobSlot, graph, subtasks: options.subtasks, links, codecOf })
    this.#links = [...links.values()]
    this.#deployed = options.subtasks
    this.#subtasks = options.subtasks.map((deployment) => {
      const vertex = graph.vertices.find(({ id }) => id === deployment.vertexId)
      if (vertex === undefined) throw new MillraceError('MR_INTERNAL', `the graph has no vertex ${deployment.vertexId}`)
      const channels = { inputs: exchange.inputsOf(deployment), edges: exchange.edgesOf(deployment) }
      return new Subtask(deployment, vertex, channels, services)
    })
  }

  get subtasks(): readonly Subtask[] {
    return this.#subtasks
  }

  /** Takes in what other slots have sent; true where there was something. */
  poll(): boolean {
    let arrived = false
    for (const link of this.#links) if (link.poll()) arrived = true
    return arrived
  }

  /**
   * A subtask is gone. True, with the ports closed, when nothing of the deployment is left. Where subtasks have finished
   * the ports stay open: the other slots may not have read everything.
   */
  forget(attemptId: AttemptId): boolean {
    const gone = this.#subtasks.find((subtask) => subtask.attemptId === attemptId)
    if (gone === undefined) return false
    this.#subtasks = this.#subtasks.filter((subtask) => subtask !== gone)
    if (gone.state === 'finished') this.#hasFinished = true
    if (this.#subtasks.length > 0 || this.#hasFinished) return false
    this.#close()
    return true
  }

  /** True, with the ports closed, where `subtasks` are new attempts of these: nobody reads what finished ones have sent. */
  closeIfReplacedBy(subtasks: readonly SubtaskDeployment[]): boolean {
    const isReplaced = this.#deployed.some((old) =>
      subtasks.some(({ vertexId, subtaskIndex }) => vertexId === old.vertexId && subtaskIndex === old.subtaskIndex),
    )
    if (isReplaced) this.#close()
    return isReplaced
  }

  #close(): void {
    for (const link of this.#links) link.close()
  }
}
