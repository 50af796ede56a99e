/** What a running total says after each number. */
export interface NumberTotal {
  readonly number: number
  readonly count: number
  readonly sum: number
}

export const keys = 997

export function keyOf(number: number): number {
  return number % keys
}

/**
 * What is wrong with the published totals of the numbers 1 to `count`; empty: nothing. The numbers of a key may come in any
 * order where the source's ranges move between subtasks, so counts and sums are held against the numbers before.
 */
export function numberFaults(totals: readonly NumberTotal[], count: number): string[] {
  const faults: string[] = []
  const seen = new Set<number>()
  for (const { number } of totals) {
    if (seen.has(number)) faults.push(`doubled: ${number}`)
    seen.add(number)
  }
  for (let number = 1; number <= count; number++) if (!seen.has(number)) faults.push(`missing: ${number}`)
  for (const ofKey of Map.groupBy(totals, ({ number }) => keyOf(number)).values()) {
    let sum = 0
    for (const [index, total] of ofKey.toSorted((one, other) => one.count - other.count).entries()) {
      sum += total.number
      if (total.count !== index + 1 || total.sum !== sum) faults.push(`wrong: ${JSON.stringify(total)}`)
    }
  }
  return faults
}
