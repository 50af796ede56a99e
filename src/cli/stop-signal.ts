import { systemClock } from '../common/system-ports.ts'

/** Signals closer than this are one: npx passes Ctrl-C on to a process that the terminal has told already. */
const oneKeyPressMs = 250

/** Ctrl-C, a stop from outside, the end of the terminal. Gives back what ends it. */
export function onStopSignal(stop: () => void): () => void {
  let lastMs = Number.NEGATIVE_INFINITY
  const listener = (): void => {
    const now = systemClock.monotonicMs()
    if (now - lastMs > oneKeyPressMs) stop()
    lastMs = now
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
