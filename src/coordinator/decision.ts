/** What a pure step gives: the next state, and what its shell has to do, in this order. */
export interface Decision<State, Effect> {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** When a step happens, with a random number drawn for it: all that a decision knows of the world beside its message. */
export interface Moment {
  /** Wall clock: for records and people. */
  readonly epochMs: number
  /** For durations and deadlines. */
  readonly monotonicMs: number
  /** Uniform in [0, 1). */
  readonly random: number
}

export function unchanged<State>(state: State): Decision<State, never> {
  return { state, effects: [] }
}

/** Runs one step after another on the same state; the effects follow each other. */
export function inSequence<State, Effect>(
  state: State,
  steps: readonly ((state: State) => Decision<State, Effect>)[],
): Decision<State, Effect> {
  let current = state
  const effects: Effect[] = []
  for (const step of steps) {
    const decision = step(current)
    current = decision.state
    effects.push(...decision.effects)
  }
  return { state: current, effects }
}

/** The array with the entry at `index` replaced. */
export function replaced<T>(entries: readonly T[], index: number, entry: T): readonly T[] {
  return entries.map((old, position) => (position === index ? entry : old))
}

/** A closed union has no other member: reaching this is a bug. */
export function unreachable(value: never): never {
  throw new TypeError(`unexpected ${JSON.stringify(value)}`)
}
