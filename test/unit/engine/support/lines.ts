import type { Item } from './item.ts'

/** Results as sorted lines: what is missing and what is too much shows in their difference. */
export function linesOf(results: Readonly<Record<string, readonly Item[]>>): readonly string[] {
  return Object.entries(results)
    .flatMap(([sink, items]) => items.map(({ id, key, amount }) => `${sink}: ${id} key ${key} amount ${amount}`))
    .toSorted()
}
