import type { OperatorListState, OperatorListStateDescriptor } from '../api/state.ts'

/** All operator state of one operator, serialised at the barrier. */
export interface OperatorStateSnapshot {
  readonly states: readonly OperatorStateList[]
}

export interface OperatorStateList {
  readonly name: string
  readonly redistribution: 'even-split' | 'union'
  /** Avro schema as canonical JSON text. */
  readonly schema: string
  /** Each item by itself, so that they can be dealt out. */
  readonly items: readonly Buffer[]
}

const unwritten = (): never => {
  throw new Error('unwritten')
}

/** Lists that are redistributed when the parallelism changes. One thread owns it. */
export class OperatorStateBackend {
  readonly operatorName: string

  constructor(operatorName: string) {
    this.operatorName = operatorName
  }

  /**
   * The same object for the same name.
   * @throws MillraceError MR_STATE_INCOMPATIBLE where the restored list has another type or redistribution
   */
  listState<T>(_descriptor: OperatorListStateDescriptor<T>): OperatorListState<T> {
    return unwritten()
  }

  snapshot(): OperatorStateSnapshot {
    return unwritten()
  }
}
