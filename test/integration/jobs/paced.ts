/** Slows a slot down to some tens of thousands of records a second, so that a test has time to kill it. */
export function paced<T>(everyRecords: number, pauseMs: number): (value: T) => T {
  const never = new Int32Array(new SharedArrayBuffer(4))
  let records = 0
  return (value) => {
    if (pauseMs > 0 && ++records % everyRecords === 0) Atomics.wait(never, 0, 0, pauseMs)
    return value
  }
}
