/** A record with event time; number `id` is a fixed function of it, so that reference results can be computed anywhere. */
export interface Click {
  readonly id: number
  readonly user: string
  readonly at: number
  readonly amount: number
}

/** What a window, session or timer of a user gives, told apart by its end. */
export interface ClickTotal {
  readonly user: string
  readonly end: number
  readonly count: number
  readonly sum: number
}

export const windowMs = 10_000
/** No two clicks are exactly so far apart: whether they are one session would depend on when the watermark comes. */
export const gapMs = 5003
export const bucketMs = 7000
export const lateByMs = 1000
const clickUsers = 500
const stepMs = 5

export function click(id: number): Click {
  const mixed = Math.imul(id ^ (id >>> 15), 0x2c1b3c6d) >>> 0
  const jitter = ((mixed >>> 12) % 160) * 5
  return {
    id,
    user: `u${mixed % clickUsers}`,
    at: 1_700_000_000_000 + id * stepMs - jitter,
    amount: (mixed >>> 8) % 1000,
  }
}

/** When the bucket of a click is told: after everything of it can have come. */
export function timerOf(at: number): number {
  return Math.floor(at / bucketMs) * bucketMs + bucketMs + 3000
}

export interface ClickResults {
  readonly tumbling: readonly ClickTotal[]
  readonly sessions: readonly ClickTotal[]
  readonly timers: readonly ClickTotal[]
}

/** What the first `count` clicks give. */
export function referenceOf(count: number): ClickResults {
  const tumbling = new Map<string, ClickTotal>()
  const timers = new Map<string, ClickTotal>()
  const byUser = new Map<string, Click[]>()
  for (let id = 0; id < count; id++) {
    const one = click(id)
    add(tumbling, one, Math.floor(one.at / windowMs) * windowMs + windowMs)
    add(timers, one, timerOf(one.at))
    const clicks = byUser.get(one.user)
    if (clicks === undefined) byUser.set(one.user, [one])
    else clicks.push(one)
  }
  const sessions = [...byUser.values()].flatMap(sessionsOf)
  return { tumbling: [...tumbling.values()], sessions, timers: [...timers.values()] }
}

function add(totals: Map<string, ClickTotal>, { user, amount }: Click, end: number): void {
  const key = `${user} ${end}`
  const { count, sum } = totals.get(key) ?? { count: 0, sum: 0 }
  totals.set(key, { user, end, count: count + 1, sum: sum + amount })
}

function sessionsOf(clicks: readonly Click[]): ClickTotal[] {
  const sessions: ClickTotal[] = []
  for (const { user, at, amount } of clicks.toSorted((one, other) => one.at - other.at)) {
    const last = sessions.at(-1)
    // [at, at + gap) of two clicks overlap or touch: one session (as Flink merges them).
    if (last !== undefined && at <= last.end) {
      sessions[sessions.length - 1] = { user, end: at + gapMs, count: last.count + 1, sum: last.sum + amount }
    } else sessions.push({ user, end: at + gapMs, count: 1, sum: amount })
  }
  return sessions
}

/** What is wrong with published results, empty when each is there once and right. */
export function totalFaults(what: string, published: readonly ClickTotal[], expected: readonly ClickTotal[]): string[] {
  const text = (total: ClickTotal) => `${total.user} until ${total.end}: ${total.count} clicks, ${total.sum}`
  const wanted = new Map(expected.map((total) => [text(total), 1]))
  const faults: string[] = []
  for (const total of published) {
    const left = wanted.get(text(total))
    if (left === 1) wanted.set(text(total), 0)
    else faults.push(`${what}: ${left === 0 ? 'doubled' : 'wrong'} ${text(total)}`)
  }
  for (const [missing, left] of wanted) if (left === 1) faults.push(`${what}: missing ${missing}`)
  return faults
}
