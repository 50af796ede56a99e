import type { DataType } from '../formats/data-type.ts'
import type { JobConfiguration } from '../graph/job-configuration.ts'
import type { OperatorSpec } from '../graph/operator-spec.ts'
import type { Partitioner, StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.ts'
import { declarationPlace, definitionError } from './declaration.ts'
import type { Key, KeySelector, OutputTag } from './functions.ts'

/** One output of a node that a stream consists of, and how its records travel to what reads it. */
export interface StreamEnd {
  readonly node: number
  readonly partitioner: Partitioner
  /** undefined: the main output. */
  readonly sideOutput: OutputTag<unknown> | undefined
}

export interface NodeDeclaration {
  readonly spec: OperatorSpec
  readonly name: string
  readonly outputType: DataType<unknown>
  readonly keySelector?: KeySelector<unknown, Key>
}

/** Settings of a node that may be given after its declaration. */
export type NodeSettings = Partial<
  Pick<StreamNode, 'name' | 'uid' | 'parallelism' | 'maxParallelism' | 'chaining' | 'outputType' | 'deadLetters'>
>

/** Collects what the builders of a job declare. Nodes are immutable; a setting replaces the node by a changed one. */
export class StreamGraphBuilder {
  readonly #nodes: StreamNode[] = []
  readonly #edges: StreamEdge[] = []
  #finished = false

  add(declaration: NodeDeclaration, inputs: readonly StreamEnd[]): StreamNode {
    const declaredAt = declarationPlace()
    if (this.#finished) {
      throw definitionError(
        declaration.name,
        'the job is already built; declare operators before job(…) returns',
        declaredAt,
      )
    }
    const node: StreamNode = {
      id: this.#nodes.length,
      spec: declaration.spec,
      name: declaration.name,
      uid: undefined,
      parallelism: undefined,
      maxParallelism: undefined,
      chaining: 'always',
      outputType: declaration.outputType,
      keySelector: declaration.keySelector,
      declaredAt,
    }
    this.#nodes.push(node)
    for (const end of inputs) {
      const { node: from, partitioner, sideOutput } = end
      this.#edges.push({ from, to: node.id, partitioner, sideOutput: sideOutput?.id, type: this.typeOf(end) })
    }
    return node
  }

  /** The type of the records of an output. */
  typeOf(end: StreamEnd): DataType<unknown> {
    return end.sideOutput === undefined ? this.node(end.node).outputType : end.sideOutput.type
  }

  node(id: number): StreamNode {
    const node = this.#nodes[id]
    if (node === undefined) throw new TypeError(`no node ${id}`)
    return node
  }

  /** Whether something reads the main output already. */
  isRead(id: number): boolean {
    return this.#edges.some((edge) => edge.from === id && edge.sideOutput === undefined)
  }

  change(id: number, settings: NodeSettings): void {
    const node = this.node(id)
    if (this.#finished) throw definitionError(node.name, 'the job is already built', node.declaredAt)
    this.#nodes[id] = { ...node, ...settings }
  }

  finish(jobName: string, configuration: JobConfiguration): StreamGraph {
    this.#finished = true
    return { jobName, configuration, nodes: [...this.#nodes], edges: [...this.#edges] }
  }
}
