import { tagged } from './functions.ts'
import { groupOf, type Item } from './item.ts'
import type { TwoInputStream } from './job-shape.ts'
import { firingsOf, type Timed, timerFirings, timersOf, type WindowOfKey } from './timed-reference.ts'
import { coGrouped, isJoined, joinedPair, underRules } from './two-input-functions.ts'

/** What an operator gives that reads two streams, none of whose records is late. */
export function ofTwo(stream: TwoInputStream, lefts: readonly Timed[], rights: readonly Timed[]): readonly Timed[] {
  const { name } = stream
  switch (stream.kind) {
    case 'windowJoin':
      return sidesOfWindows(stream, lefts, rights).flatMap((sides) =>
        pairsOf(sides.lefts, sides.rights).map((pair) => ({ item: joinedPair(name, pair), at: sides.at })),
      )
    case 'coGroup':
      return sidesOfWindows(stream, lefts, rights).map(({ key, at, ...sides }) => ({
        item: coGrouped({ name, key }, sides.lefts, sides.rights),
        at,
      }))
    case 'intervalJoin':
      return lefts.flatMap((left) => rights.flatMap((right) => intervalPair(stream, left, right)))
    case 'keyedConnect': {
      const side = (tag: string, { item, at }: Timed): Timed => ({ item: tagged(tag, item), at })
      return timersOf([...lefts.map((one) => side('l', one)), ...rights.map((one) => side('r', one))], stream)
    }
    case 'keyedBroadcast':
      return timerFirings(lefts, stream).map(({ group, timer, items }) => {
        const rules = rights.filter(({ at }) => at < timer).map(({ item }) => item.id)
        return { item: underRules({ name, key: group, timer }, items, rules), at: timer }
      })
    default: {
      const never: never = stream
      throw new TypeError(String(never))
    }
  }
}

function sidesOfWindows(shape: WindowOfKey, lefts: readonly Timed[], rights: readonly Timed[]) {
  const both = [...lefts, ...rights]
  return firingsOf(both, shape).map(({ key, end, items }) => {
    const ids = items.map(({ id }) => id)
    const itemsAt = (wanted: readonly number[]): readonly Item[] => wanted.map((id) => both[id]?.item as Item)
    return {
      key: Number(key),
      at: end - 1,
      lefts: itemsAt(ids.filter((id) => id < lefts.length)),
      rights: itemsAt(ids.filter((id) => id >= lefts.length)),
    }
  })
}

function pairsOf(lefts: readonly Item[], rights: readonly Item[]): readonly (readonly [Item, Item])[] {
  return lefts.flatMap((left) => rights.map((right) => [left, right] as const)).filter((pair) => isJoined(...pair))
}

function intervalPair(
  { name, key, lowerMs, upperMs }: Extract<TwoInputStream, { readonly kind: 'intervalJoin' }>,
  left: Timed,
  right: Timed,
): readonly Timed[] {
  const distance = right.at - left.at
  if (groupOf(key, left.item) !== groupOf(key, right.item)) return []
  if (distance < lowerMs || distance > upperMs || !isJoined(left.item, right.item)) return []
  return [{ item: joinedPair(name, [left.item, right.item]), at: Math.max(left.at, right.at) }]
}
