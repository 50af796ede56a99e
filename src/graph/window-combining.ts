import type { AggregateFunction } from '../api/functions.ts'
import type { OperatorSpec, WindowAssigner, WindowSpec } from './operator-spec.ts'

/** How records of a window are combined before they are sent to the task of their key (R34). */
export type WindowCombination = SliceCombination | SessionCombination

/** By slice: the largest spans of time that lie in the same windows. A tumbling window is one slice. */
export interface SliceCombination {
  readonly kind: 'slices'
  readonly sliceMs: number
  readonly offsetMs: number
  readonly aggregate: CombinableAggregate
}

export interface SessionCombination {
  readonly kind: 'sessions'
  readonly gapMs: number
  readonly aggregate: CombinableAggregate
}

export type CombinableAggregate = AggregateFunction<unknown, unknown, unknown> &
  Required<Pick<AggregateFunction<unknown, unknown, unknown>, 'merge'>>

/** More slices than this in a window cost more than they save (R35). */
const mostSlices = 64

/**
 * How records of an operator may be combined before the shuffle: as `windowCombinationOf`, and without allowed lateness,
 * since a late record fires its window again, each by itself. undefined: they may not.
 */
export function shuffleCombinationOf(spec: OperatorSpec): WindowCombination | undefined {
  return spec.kind === 'window' && spec.allowedLatenessMs === 0 ? windowCombinationOf(spec) : undefined
}

/**
 * How records of an operator may be combined: event-time windows with the default trigger, whose aggregate says that it
 * can, and which do not tell late records apart (R34, R35). undefined: they may not.
 */
export function windowCombinationOf(spec: OperatorSpec): WindowCombination | undefined {
  if (spec.kind !== 'window' || !hasDefaults(spec)) return undefined
  const aggregate = combinableAggregateOf(spec)
  if (aggregate === undefined) return undefined
  const { assigner } = spec
  switch (assigner.kind) {
    case 'tumbling':
      return { kind: 'slices', sliceMs: assigner.sizeMs, offsetMs: assigner.offsetMs, aggregate }
    case 'sliding':
      return slicesOf(assigner, aggregate)
    case 'session':
      return { kind: 'sessions', gapMs: assigner.gapMs, aggregate }
    case 'processingTime':
    case 'dynamicSession':
    case 'global':
      return undefined
    default: {
      const never: never = assigner
      throw new TypeError(`unknown windows ${String(never)}`)
    }
  }
}

function hasDefaults({ lateTag, trigger, evictor, ofAll }: WindowSpec): boolean {
  return lateTag === undefined && trigger === undefined && evictor === undefined && ofAll !== true
}

function slicesOf(
  { sizeMs, slideMs, offsetMs }: Extract<WindowAssigner, { readonly kind: 'sliding' }>,
  aggregate: CombinableAggregate,
): SliceCombination | undefined {
  const sliceMs = greatestCommonDivisor(sizeMs, slideMs)
  // Above the size there are times that are in no window: nothing is shared there.
  if (slideMs > sizeMs || sizeMs / sliceMs > mostSlices) return undefined
  return { kind: 'slices', sliceMs, offsetMs: offsetMs % sliceMs, aggregate }
}

function combinableAggregateOf({ compute }: WindowSpec): CombinableAggregate | undefined {
  if (compute.kind !== 'aggregate') return undefined
  const { aggregate, process } = compute
  // A window that keeps state of its own has to be looked at when it ends, key by key.
  if (process?.clear !== undefined) return undefined
  return aggregate.combinable === true && aggregate.merge !== undefined ? (aggregate as CombinableAggregate) : undefined
}

function greatestCommonDivisor(left: number, right: number): number {
  let [larger, smaller] = [left, right]
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller]
  return larger
}
