import { MillraceError } from '../common/errors.ts'

/**
 * A copy of plain data that shares nothing mutable with it: what is emitted aliases no state, and no state aliases a
 * record (R7). A view on off-heap state becomes a plain object.
 * @throws MillraceError MR_STATE_TYPE for class instances and functions, which state can not hold (R39)
 */
export function detached<T>(value: T): T {
  return (typeof value === 'object' && value !== null ? copyOf(value) : value) as T
}

function copyOf(value: object): unknown {
  if (Array.isArray(value)) return value.map(detached)
  if (value instanceof Uint8Array) return value.slice()
  if (value instanceof Date) return new Date(value)
  if (value instanceof Map) return new Map(Array.from(value, ([key, item]) => [detached(key), detached(item)]))
  if (value instanceof Set) return new Set(Array.from(value, detached))
  if (ArrayBuffer.isView(value)) return structuredClone(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new MillraceError(
      'MR_STATE_TYPE',
      `State can not hold an instance of ${value.constructor.name}: store plain data.`,
    )
  }
  const copy: Record<string, unknown> = {}
  for (const name of Object.keys(value)) copy[name] = detached((value as Record<string, unknown>)[name])
  return copy
}

/** Freezes plain data all the way down; bytes can not be frozen. */
export function deeplyFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  for (const item of Object.values(value)) deeplyFrozen(item)
  return Object.freeze(value)
}
