import type { SourceRecord } from '../api/source.ts'
import type { ChainedOperator } from '../graph/job-graph.ts'
import { secondKeySelectorOf } from '../graph/operator-spec.ts'
import type { OperatorOutputs } from './chain-builder.ts'
import { DeadLetterOutput } from './dead-letter-output.ts'
import { GuardedOperator } from './guarded-operator.ts'
import type { Operator, OperatorContext, OperatorMetrics } from './operator.ts'
import { createOperator } from './operators/create-operator.ts'

/** The record that the source of a task is emitting, for the operators behind it; the source comes last to be made. */
export class SourcePlace {
  recordOf: () => SourceRecord | undefined = () => undefined
}

/** undefined: the operator has no dead-letter output. */
export function deadLettersOf(
  { name, deadLetters }: ChainedOperator,
  outputs: OperatorOutputs,
  metrics: OperatorMetrics,
): DeadLetterOutput | undefined {
  if (deadLetters === undefined) return undefined
  const receiver = outputs.sideOutput(deadLetters.tag.id)
  return new DeadLetterOutput({ spec: deadLetters, operatorName: name, receiver, metrics })
}

/** The operator itself, or guarded where it has a dead-letter output. */
export function createChainedOperator(
  chained: ChainedOperator,
  context: OperatorContext,
  outputs: OperatorOutputs,
  place: SourcePlace,
): Operator {
  const deadLetters = deadLettersOf(chained, outputs, context.metrics)
  if (deadLetters === undefined) return createOperator(chained.spec, context)
  return new GuardedOperator({
    context,
    deadLetters,
    secondKeySelector: secondKeySelectorOf(chained.spec),
    sourceRecord: () => place.recordOf(),
    createOperator: (guarded) => createOperator(chained.spec, guarded),
  })
}
