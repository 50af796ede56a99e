import type { KeyedCoProcessFunction } from '../../api/co-functions.ts'
import type { Key, KeyedProcessFunction, KeySelector } from '../../api/functions.ts'
import type { Operator, OperatorContext } from '../operator.ts'
import { KeySelection } from './key-selection.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedFunctionInput, KeyedFunctionOperator } from './keyed-function-operator.ts'

/** A function on a keyed stream, with keyed state and timers. */
export function keyedProcessOperator(
  process: KeyedProcessFunction<Key, unknown, unknown>,
  context: OperatorContext,
): Operator {
  return new KeyedFunctionOperator<KeyedElementContext>(
    {
      process,
      first: { name: 'processElement', call: process.processElement.bind(process) },
      onTimer: process.onTimer?.bind(process),
      contextOf: (keyedState, timers) => new KeyedElementContext(context, keyedState, timers),
    },
    context,
  )
}

/** A function over two streams of the same keys, which share keyed state and timers. */
export function keyedCoProcessOperator(
  process: KeyedCoProcessFunction<Key, unknown, unknown, unknown>,
  secondKeySelector: KeySelector<unknown, Key>,
  context: OperatorContext,
): Operator {
  return new KeyedFunctionOperator<KeyedElementContext>(
    {
      process,
      first: { name: 'processElement1', call: process.processElement1.bind(process) },
      onTimer: process.onTimer?.bind(process),
      contextOf: (keyedState, timers) => new KeyedElementContext(context, keyedState, timers),
      secondInput: (parts) => {
        const keys = new KeySelection({ ...context, keySelector: secondKeySelector })
        return new KeyedFunctionInput(parts, keys, {
          name: 'processElement2',
          call: process.processElement2.bind(process),
        })
      },
    },
    context,
  )
}
