import type { ChainedOperator, JobEdge, JobVertex } from '../graph/job-graph.ts'
import { Chain, type ChainNode } from './chain.ts'
import type { EdgeWriter } from './edge-writer.ts'
import type { Operator, Receiver } from './operator.ts'

/** Where the outputs of one operator go. */
export interface OperatorOutputs {
  readonly output: Receiver
  sideOutput(tagId: string): Receiver | undefined
}

export interface WrittenEdge {
  readonly edge: JobEdge
  readonly writer: EdgeWriter
}

export interface ChainPlan {
  readonly vertex: JobVertex
  readonly edges: readonly WrittenEdge[]
  /** Makes the operator of a node; not called for a source. `outputsOf` gives where the results of it and later ones go. */
  createOperator(index: number, outputs: OperatorOutputs, outputsOf: (index: number) => OperatorOutputs): Operator
}

export interface BuiltChain {
  readonly chain: Chain
  /** Outputs of the head, for a source. */
  readonly headOutputs: OperatorOutputs
}

/** Makes the operators of a vertex for one subtask and connects them, from the last to the first. */
export function buildChain(plan: ChainPlan): BuiltChain {
  const { vertex, edges } = plan
  const operators: (Operator | undefined)[] = vertex.operators.map(() => undefined)
  let headOutputs: OperatorOutputs | undefined
  for (let index = vertex.operators.length - 1; index >= 0; index--) {
    const chained = vertex.operators[index] as ChainedOperator
    const outputs = outputsOf(chained, edgesFrom(edges, index), operators)
    const outputsOfLater = (later: number): OperatorOutputs =>
      outputsOf(vertex.operators[later] as ChainedOperator, edgesFrom(edges, later), operators)
    if (chained.spec.kind !== 'source') operators[index] = plan.createOperator(index, outputs, outputsOfLater)
    headOutputs = outputs
  }
  if (headOutputs === undefined) throw new TypeError(`vertex ${vertex.name} has no operators`)
  return { chain: new Chain(nodesOf(vertex, edges, operators)), headOutputs }
}

function nodesOf(
  vertex: JobVertex,
  edges: readonly WrittenEdge[],
  operators: readonly (Operator | undefined)[],
): ChainNode[] {
  const origins = watermarkOrigins(vertex, operators)
  return vertex.operators.map(({ uid, next }, index) => ({
    uid,
    next: next.map(({ operatorIndex }) => operatorIndex),
    operator: operators[index],
    edges: edgesFrom(edges, index).map(({ writer }) => writer),
    watermarkOrigin: origins[index] as number,
  }))
}

/** For each operator the nearest one before it that makes its own watermarks; −1: none. */
function watermarkOrigins(vertex: JobVertex, operators: readonly (Operator | undefined)[]): readonly number[] {
  const origins = vertex.operators.map(() => -1)
  vertex.operators.forEach(({ next }, index) => {
    const own = operators[index]?.generated === undefined ? (origins[index] as number) : index
    for (const { operatorIndex } of next) origins[operatorIndex] = own
  })
  return origins
}

function edgesFrom(edges: readonly WrittenEdge[], operatorIndex: number): readonly WrittenEdge[] {
  return edges.filter(({ edge }) => edge.fromOperator === operatorIndex)
}

function outputsOf(
  chained: ChainedOperator,
  edges: readonly WrittenEdge[],
  operators: readonly (Operator | undefined)[],
): OperatorOutputs {
  const receiversOf = (sideOutput: string | undefined): Receiver[] => [
    ...chained.next
      .filter((next) => next.sideOutput === sideOutput)
      .map((next) => built(operators, next.operatorIndex)),
    ...edges.filter(({ edge }) => edge.sideOutput === sideOutput).map(({ writer }) => writer.receiver),
  ]
  return {
    output: joined(receiversOf(undefined)) ?? nowhere,
    sideOutput: (tagId) => joined(receiversOf(tagId)),
  }
}

function built(operators: readonly (Operator | undefined)[], index: number): Receiver {
  const operator = operators[index]
  if (operator === undefined) throw new TypeError(`operator ${index} of a chain stands before one that feeds it`)
  return operator
}

function joined(receivers: readonly Receiver[]): Receiver | undefined {
  return receivers.length > 1 ? new FanOut(receivers) : receivers[0]
}

class FanOut implements Receiver {
  readonly #receivers: readonly Receiver[]

  constructor(receivers: readonly Receiver[]) {
    this.#receivers = receivers
  }

  processElement(value: unknown, timestamp: number): void {
    for (const receiver of this.#receivers) receiver.processElement(value, timestamp)
  }
}

/** The output of an operator that nothing reads. */
const nowhere: Receiver = { processElement: () => {} }
