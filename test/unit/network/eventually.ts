import { systemClock } from '../../../src/common/system-ports.ts'
import { turn } from '../../../src/task/turn.ts'

const limitMs = 10_000

/** Resolves when it holds; looks in every turn of the event loop. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonicMs() + limitMs
  while (!(await condition())) {
    if (systemClock.monotonicMs() > deadline) throw new Error(`not so after ${limitMs} ms: ${condition}`)
    await turn()
  }
}
