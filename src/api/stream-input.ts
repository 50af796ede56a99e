import type { DataType } from '../formats/data-type.ts'
import type { OperatorSpec } from '../graph/operator-spec.ts'
import type { SingleOutputStreamOperator } from './data-stream.ts'
import { definitionError } from './declaration.ts'
import type { Key, KeySelector } from './functions.ts'
import type { StreamEnd, StreamGraphBuilder } from './stream-graph-builder.ts'

/** @internal A stream as an input of operators: its records' type, and how an operator on it is declared. */
export interface StreamInput {
  readonly builder: StreamGraphBuilder
  readonly ends: readonly StreamEnd[]
  /** undefined: the stream is not keyed. */
  readonly keySelector: KeySelector<unknown, Key> | undefined
  /** Names of the fields of the key; undefined where a function gives it. */
  readonly keyFields: readonly string[] | undefined
  type(): DataType<unknown>
  add<Out>(spec: OperatorSpec, name: string, outputType: DataType<unknown>): SingleOutputStreamOperator<Out>
  /** An operator that reads `second` besides. */
  addWith<Out>(second: StreamInput, spec: OperatorSpec, name: string): SingleOutputStreamOperator<Out>
}

/** @internal Streams of two jobs can not meet. */
export function checkSameJob(first: StreamInput, second: StreamInput, subject: string): void {
  if (first.builder !== second.builder) throw definitionError(subject, 'the other stream is of another job')
}

/** @internal Both are keyed or neither; types are not checked in a bundled job. */
export function checkBothKeyed(first: StreamInput, second: StreamInput, subject: string): void {
  if ((first.keySelector === undefined) === (second.keySelector === undefined)) return
  throw definitionError(subject, 'one of the streams is keyed and the other is not: call keyBy on both, or on neither')
}
