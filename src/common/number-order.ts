/**
 * Whether one value comes before another: numbers as Java's Double.compare has them, −0 before 0 and NaN behind all,
 * where `<` finds NaN neither before nor behind anything.
 */
export function isBefore<T extends number | bigint | string>(left: T, right: T): boolean {
  if (left < right) return true
  if (left === right) return left === 0 && 1 / Number(left) < 1 / Number(right)
  return Number.isNaN(right) && !Number.isNaN(left)
}

/** The first of two numbers in that order. For the last of two Math.max has it: NaN if one is. */
export function lowest(left: number, right: number): number {
  const least = Math.min(left, right)
  if (!Number.isNaN(least)) return least
  return Number.isNaN(left) ? right : left
}
