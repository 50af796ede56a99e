import type { DeadLetterBudget } from '../api/dead-letters.ts'

/** Counts dead letters of one subtask against the operator's budget. */
export class BudgetCount {
  readonly #budget: DeadLetterBudget | undefined
  #deadLetters = 0
  /** Numbers of the records that were dead letters, of the last `of` ones. */
  readonly #recent: number[] = []

  constructor(budget: DeadLetterBudget | undefined) {
    this.#budget = budget
  }

  /** `record`: its number. What is exceeded with this dead letter, for a message; undefined: nothing is. */
  deadLetter(record: number): string | undefined {
    this.#deadLetters++
    const budget = this.#budget
    if (budget === undefined) return undefined
    if ('count' in budget) {
      return this.#deadLetters > budget.count
        ? `${this.#deadLetters} dead letters, allowed are ${budget.count}`
        : undefined
    }
    const firstRecent = this.#recent.findIndex((earlier) => earlier > record - budget.of)
    this.#recent.splice(0, firstRecent < 0 ? this.#recent.length : firstRecent)
    this.#recent.push(record)
    if (this.#recent.length <= budget.share * budget.of) return undefined
    return `${this.#recent.length} dead letters within the last ${budget.of} records, allowed is a share of ${budget.share}`
  }
}
