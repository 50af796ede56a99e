import type { EventTimeWindowAssigner, WindowAssigner, WindowComputation, WindowSpec } from '../graph/operator-spec.ts'
import { isEventTime } from '../graph/operator-spec.ts'
import { EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger, type Trigger } from './triggers.ts'

/** Flink's names of its assigners. */
export function windowName(assigner: WindowAssigner): string {
  switch (assigner.kind) {
    case 'tumbling':
    case 'sliding':
    case 'session':
      return timeWindowName(assigner, 'EventTime')
    case 'processingTime':
      return timeWindowName(assigner.windows, 'ProcessingTime')
    case 'dynamicSession':
      return assigner.timeDomain === 'event-time'
        ? 'DynamicEventTimeSessionWindows'
        : 'DynamicProcessingTimeSessionWindows'
    case 'global':
      return 'GlobalWindows'
    default: {
      const never: never = assigner
      throw new TypeError(`unknown windows ${String(never)}`)
    }
  }
}

function timeWindowName(assigner: EventTimeWindowAssigner, time: 'EventTime' | 'ProcessingTime'): string {
  switch (assigner.kind) {
    case 'tumbling':
      return `Tumbling${time}Windows`
    case 'sliding':
      return `Sliding${time}Windows`
    case 'session':
      return `${time}SessionWindows`
    default: {
      const never: never = assigner
      throw new TypeError(`unknown windows ${String(never)}`)
    }
  }
}

function defaultTrigger(assigner: WindowAssigner): Trigger<unknown> {
  if (assigner.kind === 'global') return NeverTrigger.create()
  return isEventTime(assigner) ? EventTimeTrigger.create() : ProcessingTimeTrigger.create()
}

/**
 * The trigger of a specification. undefined: all is as usual for event-time windows of one length or gap, which have
 * operators of their own; functions with `clear` need the general one, which knows the end of each window and key.
 */
export function triggerOf(
  { assigner, trigger, evictor }: Pick<WindowSpec, 'assigner' | 'trigger' | 'evictor'>,
  compute: WindowComputation,
): Trigger<unknown> | undefined {
  const isOfOneLength = isEventTime(assigner) && assigner.kind !== 'dynamicSession'
  const isUsual = (trigger ?? EventTimeTrigger.create()) === EventTimeTrigger.create()
  if (isOfOneLength && isUsual && evictor === undefined && compute.process?.clear === undefined) return undefined
  return trigger ?? defaultTrigger(assigner)
}

/** What can be told of when the windows of a specification fire: of triggers of one's own nothing. */
export function firingOf({ assigner, trigger = defaultTrigger(assigner) }: Settings): WindowSpec['fires'] {
  if (trigger === NeverTrigger.create()) return 'never'
  return trigger === EventTimeTrigger.create() ? 'byWatermarks' : undefined
}

type Settings = Pick<WindowSpec, 'assigner' | 'trigger'>
