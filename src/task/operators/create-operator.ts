import { MillraceError } from '../../common/errors.ts'
import type { OperatorSpec, WindowAssigner, WindowSpec } from '../../graph/operator-spec.ts'
import { windowCombinationOf } from '../../graph/window-combining.ts'
import type { Operator, OperatorContext } from '../operator.ts'
import { SinkOperator } from '../sink-operator.ts'
import { AggregateOperator } from './aggregate-operator.ts'
import { AlignedWindowOperator } from './aligned-window-operator.ts'
import { AsyncOperator } from './async-operator.ts'
import { BroadcastProcessOperator } from './broadcast-process-operator.ts'
import { CoFlatMapOperator } from './co-flat-map-operator.ts'
import { CoMapOperator } from './co-map-operator.ts'
import { CoProcessOperator } from './co-process-operator.ts'
import { FilterOperator } from './filter-operator.ts'
import { FlatMapOperator } from './flat-map-operator.ts'
import { IntervalJoinOperator } from './interval-join-operator.ts'
import { keyedBroadcastProcessOperator } from './keyed-broadcast-process-operator.ts'
import { keyedCoProcessOperator, keyedProcessOperator } from './keyed-process-operator.ts'
import { MapOperator } from './map-operator.ts'
import { ProcessOperator } from './process-operator.ts'
import { ReduceOperator } from './reduce-operator.ts'
import { SessionWindowOperator } from './session-window-operator.ts'
import { SlicedWindowOperator } from './sliced-window-operator.ts'
import { TimestampsAndWatermarksOperator } from './timestamps-and-watermarks-operator.ts'
import { alignedWindowsOf } from './window-assignment.ts'
import { hasOwnOperator, refuseOtherLayouts, slicedLayout, windowLayout } from './window-layout.ts'
import { WindowOperator } from './window-operator.ts'

/**
 * The operator of a specification.
 * @throws MillraceError MR_INTERNAL for a source, which the task drives itself; MR_STATE_INCOMPATIBLE where the restored
 *   state has another type
 */
export function createOperator(spec: OperatorSpec, context: OperatorContext): Operator {
  switch (spec.kind) {
    case 'map':
      return new MapOperator(spec.map, context)
    case 'flatMap':
      return new FlatMapOperator(spec.flatMap, context)
    case 'filter':
      return new FilterOperator(spec.filter, context)
    case 'timestampsAndWatermarks':
      return new TimestampsAndWatermarksOperator(spec.watermarks, context)
    case 'process':
      return new ProcessOperator(spec.process, context)
    case 'keyedProcess':
      return keyedProcessOperator(spec.process, context)
    case 'reduce':
      return new ReduceOperator(spec.reduce, spec.type, context)
    case 'aggregate':
      return new AggregateOperator(spec.aggregate, spec.withKey, context)
    case 'window':
      return createWindowOperator(spec, context)
    case 'async':
      return new AsyncOperator(spec, context)
    case 'coMap':
      return new CoMapOperator(spec.functions, context)
    case 'coFlatMap':
      return new CoFlatMapOperator(spec.functions, context)
    case 'coProcess':
      return new CoProcessOperator(spec.process, context)
    case 'keyedCoProcess':
      return keyedCoProcessOperator(spec.process, spec.secondKeySelector, context)
    case 'intervalJoin':
      return new IntervalJoinOperator(spec, context)
    case 'broadcastProcess':
      return new BroadcastProcessOperator(spec.process, spec.states, context)
    case 'keyedBroadcastProcess':
      return keyedBroadcastProcessOperator(spec.process, spec.states, context)
    case 'sink':
      return new SinkOperator(spec.sink, context)
    case 'source':
      throw new MillraceError('MR_INTERNAL', `the source "${context.operatorName}" is no operator of a chain`)
    default: {
      const never: never = spec
      throw new MillraceError('MR_INTERNAL', `unknown operator ${String(never)}`)
    }
  }
}

function createWindowOperator(spec: WindowSpec, context: OperatorContext): Operator {
  refuseOtherLayouts(spec, context.keyedState, context.operatorName)
  const { assigner } = spec
  if (!hasOwnOperator(spec)) return new WindowOperator(spec, context)
  switch (assigner.kind) {
    case 'tumbling':
      return new AlignedWindowOperator(spec, assigner, context)
    case 'sliding':
      return createSlidingWindowOperator(spec, assigner, context)
    case 'session':
      return new SessionWindowOperator(spec, assigner.gapMs, context)
    case 'processingTime':
    case 'dynamicSession':
    case 'global':
      return new WindowOperator(spec, context)
    default: {
      const never: never = assigner
      throw new MillraceError('MR_INTERNAL', `unknown window ${String(never)}`)
    }
  }
}

/** From slices where they are safe (R35); panes of a snapshot go on as panes. */
function createSlidingWindowOperator(
  spec: WindowSpec,
  assigner: Extract<WindowAssigner, { readonly kind: 'sliding' }>,
  context: OperatorContext,
): Operator {
  const combination = windowCombinationOf(spec)
  if (combination?.kind === 'slices' && windowLayout(spec, context.keyedState) === slicedLayout) {
    return new SlicedWindowOperator({ spec, windows: alignedWindowsOf(assigner), combination }, context)
  }
  return new AlignedWindowOperator(spec, assigner, context)
}
