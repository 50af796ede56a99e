import type { KeyedBroadcastOnTimerContext, KeyedBroadcastProcessFunction } from '../../api/broadcast-functions.ts'
import type { Key } from '../../api/functions.ts'
import type { BroadcastStateDescriptor } from '../../graph/operator-spec.ts'
import type { InputReceiver, Operator, OperatorContext } from '../operator.ts'
import { BroadcastElementContext } from './broadcast-element-context.ts'
import { BroadcastStates } from './broadcast-states.ts'
import { CurrentKeyGuard } from './current-key-guard.ts'
import { KeyedElementContext } from './keyed-element-context.ts'
import { KeyedFunctionOperator, type KeyedFunctionParts } from './keyed-function-operator.ts'
import { userFunctionError } from './user-function-error.ts'

type ReadingContext = KeyedElementContext & KeyedBroadcastOnTimerContext<Key>
type Process = KeyedBroadcastProcessFunction<Key, unknown, unknown, unknown>

/** A function over a keyed stream and a broadcast one, with keyed state and timers. */
export function keyedBroadcastProcessOperator(
  process: Process,
  descriptors: readonly BroadcastStateDescriptor[],
  context: OperatorContext,
): Operator {
  const states = new BroadcastStates(descriptors, context)
  const guard = new CurrentKeyGuard()
  const broadcastState: ReadingContext['broadcastState'] = (descriptor) => states.readOnly(descriptor)
  return new KeyedFunctionOperator<ReadingContext>(
    {
      process,
      first: { name: 'processElement', call: process.processElement.bind(process) },
      onTimer: process.onTimer?.bind(process),
      contextOf: (keyedState, timers) =>
        Object.assign(new KeyedElementContext(context, keyedState, timers), { broadcastState }),
      secondInput: (parts) => broadcastInput(process, states, { ...parts, guard }),
      handedOut: (state, name) => guard.guarded(state, name),
    },
    context,
  )
}

/** Its records have no key: keyed state is reached by `applyToKeyedState` alone. */
function broadcastInput(
  process: Process,
  states: BroadcastStates,
  parts: KeyedFunctionParts<ReadingContext> & { readonly guard: CurrentKeyGuard },
): InputReceiver {
  const { context, keyedState, timers, guard } = parts
  const broadcastContext = new BroadcastElementContext(context, states, { keyedState, guard })
  return {
    processElement(value, timestamp) {
      context.metrics.recordsIn++
      broadcastContext.currentWatermark = timers.elementContext.currentWatermark
      broadcastContext.timestamp = timestamp
      broadcastContext.outputTimestamp = timestamp
      timers.collector.timestamp = timestamp
      try {
        guard.withoutKey(() => process.processBroadcastElement(value, broadcastContext, timers.collector))
      } catch (error) {
        throw userFunctionError(error, context.operatorName, 'processBroadcastElement')
      }
    },
  }
}
