import type { MapKey } from '../common/key.ts'

/** The namespaces of each key, ascending. Kept in memory only: made again at a restore. */
export class NamespaceIndex {
  readonly #groups: readonly Map<MapKey, number[]>[]

  constructor(groups: number) {
    this.#groups = Array.from({ length: groups }, () => new Map())
  }

  of(groupIndex: number, mapKey: MapKey): readonly number[] {
    return this.#groups[groupIndex]?.get(mapKey)?.slice() ?? []
  }

  add(groupIndex: number, mapKey: MapKey, namespace: number): void {
    const namespaces = this.#groups[groupIndex]?.get(mapKey)
    if (namespaces === undefined) {
      this.#groups[groupIndex]?.set(mapKey, [namespace])
      return
    }
    let index = namespaces.length
    while (index > 0 && (namespaces[index - 1] as number) > namespace) index--
    namespaces.splice(index, 0, namespace)
  }

  remove(groupIndex: number, mapKey: MapKey, namespace: number): void {
    const namespaces = this.#groups[groupIndex]?.get(mapKey)
    const index = namespaces?.indexOf(namespace) ?? -1
    if (namespaces === undefined || index < 0) return
    if (namespaces.length === 1) this.#groups[groupIndex]?.delete(mapKey)
    else namespaces.splice(index, 1)
  }
}
