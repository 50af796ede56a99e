import { noWatermark } from '../common/timestamps.ts'
import type { CheckpointBarrier } from '../state/checkpoint-record.ts'
import type { ControlItem } from './channel-item.ts'
import type { EdgeWriter } from './edge-writer.ts'
import type { AsynchronousResults, Operator, OperatorSnapshot } from './operator.ts'

/** Timers or window results that one slice of a step fires at most (R33). */
const firingsPerSlice = 500
/** Results of asynchronous functions that one slice puts out at most. */
const resultsPerSlice = 500

/** One operator of a chain with what hangs on it. */
export interface ChainNode {
  readonly uid: string
  /** undefined: the source at the head, which the subtask's input drives. */
  readonly operator: Operator | undefined
  /** Edges that carry its outputs. */
  readonly edges: readonly EdgeWriter[]
  /** Where its records go inside the chain; left out: to any later one. */
  readonly next?: readonly number[]
  /** The operator whose watermarks it gets: the nearest one before it that makes its own, or −1: those of the subtask's input. */
  readonly watermarkOrigin: number
}

/** A watermark or a turn of processing time on its way through the chain; `at` is where it goes on. */
type Step =
  | { readonly type: 'watermark'; readonly origin: number; readonly watermark: number; at: number }
  | { readonly type: 'processingTime'; readonly now: number; at: number }

/**
 * The operators of one subtask in topological order. Records flow between them by direct calls; watermarks and time are
 * steps that go through them in slices, and nothing else happens to the chain until the last slice (R33).
 */
export class Chain {
  readonly nodes: readonly ChainNode[]
  readonly #operators: readonly Operator[]
  readonly #edges: readonly EdgeWriter[]
  readonly #origins: readonly WatermarkOrigin[]
  /** From the last to the first: room is made from the end on. */
  readonly #asynchronous: readonly AsynchronousPlace[]
  /** By node: what its records may come to. */
  readonly #asynchronousBehind: readonly (readonly AsynchronousResults[])[]
  readonly #steps: Step[] = []

  constructor(nodes: readonly ChainNode[]) {
    this.nodes = nodes
    this.#operators = nodes.flatMap(({ operator }) => (operator === undefined ? [] : [operator]))
    this.#edges = nodes.flatMap(({ edges }) => edges)
    this.#origins = nodes.flatMap((node, index) =>
      makesWatermarks(node) ? [new WatermarkOrigin(index, node.operator)] : [],
    )
    this.#asynchronous = nodes
      .flatMap(({ operator }, index) =>
        operator?.asynchronous === undefined ? [] : [{ index, results: operator.asynchronous }],
      )
      .toReversed()
    this.#asynchronousBehind = resultsBehind(nodes)
  }

  /** False: an output has no credit, or an operator can take no more (R33). */
  get writable(): boolean {
    for (const edge of this.#edges) if (!edge.writable) return false
    for (const operator of this.#operators) if (!operator.writable) return false
    return true
  }

  /** Whether records wait for the rest of their batch. */
  get buffered(): boolean {
    for (const edge of this.#edges) if (edge.buffered) return true
    return false
  }

  /** An asynchronous operator has as many records in flight as it takes: no input is read, all else goes on. */
  get full(): boolean {
    for (const { results } of this.#asynchronous) if (results.full) return true
    return false
  }

  /** Nothing is in flight: the input may end. */
  get drained(): boolean {
    for (const { results } of this.#asynchronous) if (!results.drained) return false
    return true
  }

  get shippedRecords(): number {
    return this.#edges.reduce((records, edge) => records + edge.shippedRecords, 0)
  }

  /** A step is in work: no record, barrier or other watermark until it is done (R33). */
  get stepping(): boolean {
    return this.#steps.length > 0
  }

  open(): void {
    for (const operator of this.#operators.toReversed()) operator.open()
  }

  /** When a turn of processing time is due, epoch milliseconds. */
  nextProcessingTime(): number {
    let next = Number.POSITIVE_INFINITY
    for (const operator of this.#operators) next = Math.min(next, operator.nextProcessingTime())
    return next
  }

  beginWatermark(watermark: number): void {
    this.#steps.push({ type: 'watermark', origin: -1, watermark, at: 0 })
  }

  beginProcessingTime(now: number): void {
    this.#steps.push({ type: 'processingTime', now, at: 0 })
  }

  /** One slice of the step in work; false: it waits for room in an asynchronous operator. */
  runStep(): boolean {
    const step = this.#steps[0]
    if (step === undefined || this.#isFullBehind(step.at)) return false
    const done = step.type === 'watermark' ? this.#runWatermark(step) : this.#runProcessingTime(step)
    if (!done) return true
    this.#steps.shift()
    this.takeGenerated()
    return true
  }

  /**
   * Puts out a slice of what asynchronous functions have given; false: there is nothing. A step may be in work, as long as
   * it has not come past the operator: what is put out may be what the step waits for.
   */
  emitResults(): boolean {
    for (const { index, results } of this.#asynchronous) {
      if (!results.ready || this.#isFullBehind(index) || !this.#isBeforeSteps(index)) continue
      results.emit(resultsPerSlice)
      this.#steps.unshift(...this.#generatedFrom(index))
      return true
    }
    return false
  }

  /** After records and steps: watermarks that operators of the chain have made become steps for what follows them. */
  takeGenerated(): void {
    this.#steps.push(...this.#generatedFrom(0))
  }

  /** The stream of the subtask's input is idle, or active again. */
  inputStatus(type: 'idle' | 'active'): void {
    this.#status(-1, { type })
    this.#takeStatuses(0)
  }

  /** Everything has gone by: `close` of the functions, then the end to the receivers. */
  endInput(): void {
    for (const operator of this.#operators) operator.endInput()
    this.#control({ type: 'end' })
  }

  flush(): void {
    for (const edge of this.#edges) edge.flush()
  }

  /** To all receivers, behind all records before it. */
  barrier(barrier: CheckpointBarrier): void {
    this.#control({ type: 'barrier', barrier })
  }

  snapshot(barrier: CheckpointBarrier): { readonly uid: string; readonly snapshot: OperatorSnapshot }[] {
    return this.nodes.flatMap(({ uid, operator }) =>
      operator === undefined ? [] : [{ uid, snapshot: operator.snapshot(barrier) }],
    )
  }

  async checkpointCompleted(id: number): Promise<void> {
    await Promise.all(this.#operators.map((operator) => operator.checkpointCompleted(id)))
  }

  async commitAtEnd(): Promise<void> {
    await Promise.all(this.#operators.map((operator) => operator.commitAtEnd?.()))
  }

  transactionalIdsGranted(mark: number): void {
    for (const operator of this.#operators) operator.transactionalIdsGranted?.(mark)
  }

  checkpointsEnded(newest: number): void {
    for (const operator of this.#operators) operator.checkpointsEnded?.(newest)
  }

  async fenceTransactions(operatorUid: string, transactionalIds: readonly string[]): Promise<void> {
    await this.nodes.find(({ uid }) => uid === operatorUid)?.operator?.fenceTransactions?.(transactionalIds)
  }

  /** Nothing new is begun; `dispose` follows. */
  abandon(): void {
    for (const operator of this.#operators) operator.abandon?.()
  }

  /** Releases everything, whatever fails; gives the errors. */
  async dispose(): Promise<readonly unknown[]> {
    const results = await Promise.allSettled(this.#operators.map((operator) => operator.dispose()))
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  }

  /** New watermarks of the operators from `index` on, as steps; the status of an origin follows its watermark. */
  #generatedFrom(index: number): readonly Step[] {
    const steps: Step[] = []
    for (const origin of this.#origins) {
      if (origin.index < index) continue
      const watermark = origin.takeWatermark()
      if (watermark !== undefined) steps.push({ type: 'watermark', origin: origin.index, watermark, at: origin.index })
    }
    this.#takeStatuses(index, steps)
    return steps
  }

  /** Idleness is told behind the watermark that came before it. */
  #takeStatuses(index: number, newSteps: readonly Step[] = []): void {
    for (const origin of this.#origins) {
      if (origin.index < index) continue
      const isUnderWay = (step: Step): boolean => step.type === 'watermark' && step.origin === origin.index
      const status = origin.takeStatus(this.#steps.some(isUnderWay) || newSteps.some(isUnderWay))
      if (status !== undefined) this.#status(origin.index, status)
    }
  }

  #isFullBehind(index: number): boolean {
    for (const results of this.#asynchronousBehind[index] ?? []) if (results.full) return true
    return false
  }

  /** No step has come past the operator, and none of its own watermarks is under way. */
  #isBeforeSteps(index: number): boolean {
    return this.#steps.every((step) => step.at <= index && (step.type === 'processingTime' || step.origin < index))
  }

  #runWatermark(step: Step & { readonly type: 'watermark' }): boolean {
    for (; step.at < this.nodes.length; step.at++) {
      const node = this.nodes[step.at] as ChainNode
      if (this.#isFullBehind(step.at)) return false
      const ownOutput = step.origin === step.at
      if (!ownOutput && node.watermarkOrigin !== step.origin) continue
      if (!ownOutput && node.operator?.advanceWatermark(step.watermark, firingsPerSlice) === false) return false
      if (!ownOutput && makesWatermarks(node)) continue
      for (const edge of node.edges) edge.control({ type: 'watermark', watermark: step.watermark })
    }
    return true
  }

  #runProcessingTime(step: Step & { readonly type: 'processingTime' }): boolean {
    for (; step.at < this.nodes.length; step.at++) {
      const { operator } = this.nodes[step.at] as ChainNode
      if (this.#isFullBehind(step.at)) return false
      if (operator?.advanceProcessingTime(step.now, firingsPerSlice) === false) return false
    }
    return true
  }

  #status(origin: number, status: ControlItem): void {
    this.nodes.forEach((node, index) => {
      const from = makesWatermarks(node) ? index : node.watermarkOrigin
      if (node.watermarkOrigin === origin) node.operator?.asynchronous?.inputIdle(status.type === 'idle')
      if (from === origin) for (const edge of node.edges) edge.control(status)
    })
  }

  #control(item: ControlItem): void {
    for (const edge of this.#edges) edge.control(item)
  }
}

/** By node, from the last to the first: asynchronous operators that its records may come to. */
function resultsBehind(nodes: readonly ChainNode[]): readonly (readonly AsynchronousResults[])[] {
  const behind: (readonly AsynchronousResults[])[] = nodes.map(() => [])
  for (let index = nodes.length - 1; index >= 0; index--) {
    const next =
      nodes[index]?.next ??
      nodes
        .keys()
        .filter((later) => later > index)
        .toArray()
    const found = new Set<AsynchronousResults>()
    for (const later of next) {
      const own = nodes[later]?.operator?.asynchronous
      if (own !== undefined) found.add(own)
      for (const results of behind[later] ?? []) found.add(results)
    }
    behind[index] = [...found]
  }
  return behind
}

function makesWatermarks(node: Pick<ChainNode, 'operator'>): node is { readonly operator: Operator } {
  return node.operator?.generated !== undefined
}

interface AsynchronousPlace {
  readonly index: number
  readonly results: AsynchronousResults
}

/** Follows the watermarks of one operator that makes its own. */
class WatermarkOrigin {
  readonly index: number
  readonly #operator: Operator
  #watermark = noWatermark
  #idle = false

  constructor(index: number, operator: Operator) {
    this.index = index
    this.#operator = operator
  }

  takeWatermark(): number | undefined {
    const watermark = this.#operator.generated?.watermark ?? noWatermark
    if (watermark <= this.#watermark) return undefined
    this.#watermark = watermark
    return watermark
  }

  /** `watermarkUnderWay`: one that was taken has not reached what follows. */
  takeStatus(watermarkUnderWay: boolean): ControlItem | undefined {
    const idle = this.#operator.generated?.idle ?? false
    if (idle === this.#idle || (idle && watermarkUnderWay)) return undefined
    this.#idle = idle
    return { type: idle ? 'idle' : 'active' }
  }
}
