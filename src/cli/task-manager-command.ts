import { availableParallelism } from 'node:os'
import type { ErrorData } from '../common/errors.ts'
import type { Timer } from '../common/ports.ts'
import { systemClock, systemRandom } from '../common/system-ports.ts'
import { workerUrl } from '../common/worker-url.ts'
import { type ConfigurationFlags, loadConfiguration } from '../config/load.ts'
import { decideRestart, initialRestartState, type RestartState } from '../coordinator/restart-strategies.ts'
import { refuseWithoutSecret } from '../deploy/cluster-secret.ts'
import { clusterSettings } from '../deploy/cluster-settings.ts'
import type { RestartStrategy } from '../graph/job-configuration.ts'
import { controlRedisOptions } from '../redis/redis-options.ts'
import { errorText } from './error-text.ts'
import { type ExitCode, exitCode, exitCodeOf } from './exit-codes.ts'
import { logLevel } from './log-level.ts'
import type { FromTaskManager, ToTaskManager } from './task-manager-protocol.ts'
import { endText, type ProcessEnd, WorkingProcessHandle } from './working-process-handle.ts'

/** As long as a job's checkpoint may take in a drain (R29). */
const graceMs = 60_000
/** A TaskManager is needed for as long as its machine runs. */
const backOff: RestartStrategy = {
  type: 'exponential-delay',
  initialBackoffMs: 200,
  maxBackoffMs: 10_000,
  backoffMultiplier: 2,
  resetBackoffThresholdMs: 60_000,
  jitterFactor: 0.1,
}

/** `millrace taskmanager`: supervises the working process with the slots until it is told to leave (R30). */
export async function taskManagerCommand(flags: ConfigurationFlags): Promise<ExitCode> {
  const configuration = await loadConfiguration(process.cwd(), flags)
  clusterSettings(configuration)
  controlRedisOptions(configuration)
  refuseWithoutSecret(configuration)
  const configured = configuration['taskmanager.numberOfTaskSlots']
  const numberOfTaskSlots = typeof configured === 'number' ? configured : availableParallelism()
  const start = { type: 'start', configuration, numberOfTaskSlots, logLevel: logLevel() ?? 'info' } as const
  const supervisor = new TaskManagerSupervisor(start, (text) => process.stderr.write(`millrace: ${text}\n`))
  const stop = (): void => supervisor.leave()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  return await supervisor.ended
}

class TaskManagerSupervisor {
  readonly ended: Promise<ExitCode>
  readonly #start: Extract<ToTaskManager, { readonly type: 'start' }>
  readonly #tell: (text: string) => void
  #working: WorkingProcessHandle<ToTaskManager, FromTaskManager> | undefined
  #finish: (code: ExitCode) => void = () => {}
  #ranOnce = false
  #leaving = false
  #restartState: RestartState = initialRestartState
  #restart: Timer | undefined
  #lastWords: ErrorData | undefined

  constructor(start: Extract<ToTaskManager, { readonly type: 'start' }>, tell: (text: string) => void) {
    this.#start = start
    this.#tell = tell
    this.ended = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.#launch()
  }

  /** SIGTERM: drains; a second one ends it at once. */
  leave(): void {
    if (this.#working === undefined) {
      this.#restart?.cancel()
      this.#finish(exitCode.done)
    } else if (this.#leaving) {
      this.#working.kill()
    } else {
      this.#leaving = true
      this.#tell('the TaskManager leaves when its jobs can go on elsewhere; press Ctrl-C again to end at once')
      this.#working.send({ type: 'leave', graceMs })
    }
  }

  #launch(): void {
    this.#lastWords = undefined
    this.#working = new WorkingProcessHandle<ToTaskManager, FromTaskManager>({
      entry: workerUrl('./task-manager-process', import.meta.url),
      threadPoolSize: 4 + 4 * this.#start.numberOfTaskSlots,
      clock: systemClock,
      message: (message) => this.#handle(message),
      gone: (end) => this.#gone(end),
    })
    this.#working.send(this.#start)
  }

  #handle(message: FromTaskManager): void {
    switch (message.type) {
      case 'started': {
        this.#ranOnce = true
        const { numberOfTaskSlots } = this.#start
        this.#tell(`TaskManager ${message.id} with ${numberOfTaskSlots} slots, data port ${message.dataAddress}`)
        return
      }
      case 'refused':
        if (this.#ranOnce) this.#lastWords = message.error
        else this.#end(message.error)
        return
      case 'crashed':
        this.#lastWords = message.error
        return
      case 'left':
        if (!message.clean) this.#tell('the TaskManager left before its slots were empty: their jobs restart elsewhere')
        this.#finish(message.clean ? exitCode.done : exitCode.jobFailed)
        return
    }
  }

  #end(error: ErrorData): void {
    process.stderr.write(`${errorText(error)}\n`)
    this.#finish(exitCodeOf(error.code))
  }

  #gone(end: ProcessEnd): void {
    this.#working = undefined
    if (this.#leaving) {
      this.#finish(exitCode.jobFailed)
      return
    }
    const decision = decideRestart(backOff, this.#restartState, {
      now: systemClock.monotonicMs(),
      random: systemRandom.next(),
    })
    if (decision.type === 'giveUp') return
    this.#restartState = decision.state
    const reason = this.#lastWords?.message ?? endText(end)
    this.#tell(`the TaskManager was lost (${reason}); starting again in ${Math.round(decision.delayMs)} ms`)
    this.#restart = systemClock.schedule(decision.delayMs, () => this.#launch())
  }
}
