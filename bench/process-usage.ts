import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Peak memory of the supervisor and its working process together, and their CPU time, from /proc while they live. */
export function watch(child: ChildProcess): { stop(): { readonly peakMb: number; readonly totalCpuSeconds: number } } {
  const peaks = new Map<number, { peakMb: number; cpuSeconds: number }>()
  const look = (): void => {
    const parent = child.pid
    if (parent === undefined) return
    for (const pid of [parent, ...childrenOf(parent)]) {
      const figures = processFigures(pid)
      if (figures !== undefined) peaks.set(pid, figures)
    }
  }
  const timer = setInterval(look, 50)
  return {
    stop() {
      clearInterval(timer)
      const all = [...peaks.values()]
      return { peakMb: sum(all.map((each) => each.peakMb)), totalCpuSeconds: sum(all.map((each) => each.cpuSeconds)) }
    },
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function processFigures(pid: number): { readonly peakMb: number; readonly cpuSeconds: number } | undefined {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    // A process that has just ended has no memory any more.
    return peak === undefined ? undefined : { peakMb: Number(peak) / 1024, cpuSeconds: cpuSecondsOf(pid) }
  } catch {
    return undefined
  }
}

export function brokerCpuSeconds(): number {
  const pid = process.env['BROKER_PID']
  return pid === undefined ? 0 : cpuSecondsOf(Number(pid))
}

/** User and system time of a process, from /proc/<pid>/stat in ticks of 1/100 s. */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
