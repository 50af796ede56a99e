import { randomBytes } from 'node:crypto'
import { nanoid } from 'nanoid'
import type { Clock, IdSource, Ports, Random, Timer } from './ports.ts'

/** The operating system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs: number, action: () => void): Timer {
    const handle = setTimeout(action, Math.max(0, Math.min(delayMs, 2 ** 31 - 1)))
    return { cancel: () => clearTimeout(handle) }
  },
}

/** As `systemClock`; its monotonic time is the same in all threads of the machine, where that of `performance` begins with each thread. */
export const threadsClock: Clock = { ...systemClock, monotonicMs: () => Number(process.hrtime.bigint()) / 1e6 }

/** Another one in each thread and process. For what must not be foreseen, and shows in no result. */
export const processSeed: number = randomBytes(4).readInt32LE(0)

export const systemRandom: Random = { next: () => Math.random() }

export const systemIds: IdSource = {
  unique: () => nanoid(),
  hexadecimal: () => randomBytes(16).toString('hex'),
}

export const systemPorts: Ports = { clock: systemClock, random: systemRandom, ids: systemIds }
