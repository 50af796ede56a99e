import { MillraceError } from '../common/errors.ts'

/** What becomes of an object that is no plain data. */
type OfInstance = (value: object) => unknown

/**
 * A copy of plain data that shares nothing mutable with it: what is emitted aliases no state, and no state aliases a
 * record (R7). A view on off-heap state becomes a plain object.
 * @throws MillraceError MR_STATE_TYPE for class instances and functions, which state can not hold (R39)
 */
export function detached<T>(value: T): T {
  return copyOf(value, refused) as T
}

/** The same for records, which may hold more than state takes: class instances are shared. */
export function copiedRecord(value: unknown): unknown {
  return copyOf(value, (instance) => instance)
}

function copyOf(value: unknown, ofInstance: OfInstance): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => copyOf(item, ofInstance))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return copyOfObject(value, ofInstance)
  return copyOfBuiltIn(value, ofInstance)
}

function copyOfObject(value: object, ofInstance: OfInstance): object {
  const copy: Record<string, unknown> = { ...value }
  for (const name in copy) {
    const field = copy[name]
    if (typeof field === 'object' && field !== null) copy[name] = copyOf(field, ofInstance)
  }
  return copy
}

function copyOfBuiltIn(value: object, ofInstance: OfInstance): unknown {
  // Not its own slice: that of a Buffer shares the memory.
  if (value instanceof Uint8Array) return Uint8Array.prototype.slice.call(value)
  if (value instanceof Date) return new Date(value)
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]) => [copyOf(key, ofInstance), copyOf(item, ofInstance)]))
  }
  if (value instanceof Set) return new Set(Array.from(value, (item) => copyOf(item, ofInstance)))
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return structuredClone(value)
  return ofInstance(value)
}

function refused(value: object): never {
  throw new MillraceError(
    'MR_STATE_TYPE',
    `State can not hold an instance of ${value.constructor.name}: store plain data.`,
  )
}

/** Freezes plain data all the way down, Maps and Sets too; bytes can not be frozen. */
export function deeplyFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  const isCollection = value instanceof Map || value instanceof Set
  for (const item of isCollection ? value.values() : Object.values(value)) deeplyFrozen(item)
  // Their contents are no properties: what would change them is taken away.
  if (isCollection) for (const name of ['set', 'add', 'delete', 'clear']) Object.defineProperty(value, name, isFrozen)
  return Object.freeze(value)
}

const isFrozen = {
  value: () => {
    throw new TypeError('A value that came out of state can not be changed: make a new one and update (R6).')
  },
}
