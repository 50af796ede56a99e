import { MillraceError } from '../../common/errors.ts'
import { isEventTime, isMerging, type WindowSpec } from '../../graph/operator-spec.ts'
import { windowCombinationOf } from '../../graph/window-combining.ts'
import type { KeyedStateBackend } from '../../state/keyed-state-backend.ts'

/** Of the operators of plain event-time windows. */
export const alignedLayout = '$windows'
export const slicedLayout = '$slices'
export const sessionLayout = '$sessions'

const generalLayouts = [
  'aligned-event-time',
  'aligned-processing-time',
  'session-event-time',
  'session-processing-time',
]
  .concat('global')
  .flatMap((kind) => [layoutOf(kind, false), layoutOf(kind, true)])

/** Whether windows are plain ones of event time, of one length or gap, without trigger and evictor. */
export function hasOwnOperator({ assigner, trigger, evictor }: WindowSpec): boolean {
  const isOfOneLength = isEventTime(assigner) && assigner.kind !== 'dynamicSession'
  return isOfOneLength && trigger === undefined && evictor === undefined
}

/** The name of the state that contents of windows are in: each layout has its own, so that none is read as another. */
export function windowLayout(spec: WindowSpec, keyedState: KeyedStateBackend | undefined): string {
  const { assigner, evictor } = spec
  if (hasOwnOperator(spec)) {
    if (isMerging(assigner)) return sessionLayout
    // Panes of a snapshot stay panes: they can not be taken apart again.
    return isSliced(spec) && keyedState?.has(alignedLayout) !== true ? slicedLayout : alignedLayout
  }
  if (assigner.kind === 'global') return layoutOf('global', evictor !== undefined)
  const time = isEventTime(assigner) ? 'event-time' : 'processing-time'
  return layoutOf(`${isMerging(assigner) ? 'session' : 'aligned'}-${time}`, evictor !== undefined)
}

function isSliced(spec: WindowSpec): boolean {
  return spec.assigner.kind === 'sliding' && windowCombinationOf(spec)?.kind === 'slices'
}

function layoutOf(kind: string, timestamped: boolean): string {
  return `$window-contents-${kind}${timestamped ? '-timestamped' : ''}`
}

/**
 * R35: state of another layout is refused, and not left behind.
 * @throws MillraceError MR_STATE_INCOMPATIBLE
 */
export function refuseOtherLayouts(
  spec: WindowSpec,
  keyedState: KeyedStateBackend | undefined,
  operator: string,
): void {
  const own = windowLayout(spec, keyedState)
  for (const other of [alignedLayout, slicedLayout, sessionLayout, ...generalLayouts]) {
    if (other === own || keyedState?.has(other) !== true) continue
    throw new MillraceError(
      'MR_STATE_INCOMPATIBLE',
      `The windows of operator "${operator}" are kept in another way in the snapshot: assigner, trigger, evictor, aggregate or clear() of the function were changed between kinds that do not share their state ("${other}", now "${own}"). Give the operator another uid to begin without its windows.`,
      { operator },
    )
  }
}
