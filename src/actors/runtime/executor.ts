/** Where actors get their turns. The simulator and virtual-time tests give one of their own. */
export interface Executor {
  /** Runs the action soon, after the current one has returned. */
  execute(action: () => void): void
}

/** As soon as the running code has returned: messages between actors are few, so sockets get their turn all the same. */
export const microtaskExecutor: Executor = {
  execute: (action) => void Promise.resolve().then(action),
}
