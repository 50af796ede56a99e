import type { DataType } from '../formats/data-type.ts'
import { typeText } from '../formats/type-text.ts'
import { untyped } from '../formats/types.ts'
import type { JobConfiguration } from '../graph/job-configuration.ts'
import type { OperatorSpec } from '../graph/operator-spec.ts'
import type { InputIndex, Partitioner, StreamEdge, StreamGraph, StreamNode } from '../graph/stream-graph.ts'
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
  Pick<
    StreamNode,
    'name' | 'uid' | 'parallelism' | 'maxParallelism' | 'chaining' | 'slotSharingGroup' | 'outputType' | 'deadLetters'
  >
>

/** Collects what the builders of a job declare. Nodes are immutable; a setting replaces the node by a changed one. */
export class StreamGraphBuilder {
  readonly #nodes: StreamNode[] = []
  readonly #edges: StreamEdge[] = []
  #finished = false

  /** `secondInputs`: of an operator with two inputs. */
  add(declaration: NodeDeclaration, inputs: readonly StreamEnd[], secondInputs: readonly StreamEnd[] = []): StreamNode {
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
      slotSharingGroup: undefined,
      outputType: declaration.outputType,
      keySelector: declaration.keySelector,
      declaredAt,
    }
    this.#nodes.push(node)
    this.#connect(inputs, node, 0)
    this.#connect(secondInputs, node, 1)
    return node
  }

  #connect(ends: readonly StreamEnd[], { id: to }: StreamNode, input: InputIndex): void {
    for (const end of ends) {
      const { node: from, partitioner, sideOutput } = end
      this.#edges.push({ from, to, input, partitioner, sideOutput: sideOutput?.id, type: this.typeOf(end) })
    }
  }

  /** The type of the records of an output. */
  typeOf(end: StreamEnd): DataType<unknown> {
    return end.sideOutput === undefined ? this.node(end.node).outputType : end.sideOutput.type
  }

  /** The declared type, where all united streams have the same. */
  typeOfAll(ends: readonly StreamEnd[]): DataType<unknown> {
    const [first, ...rest] = ends
    if (first === undefined) return untyped()
    const type = this.typeOf(first)
    const text = typeText(type)
    return rest.every((end) => typeText(this.typeOf(end)) === text) ? type : untyped()
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
