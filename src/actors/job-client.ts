import type { ErrorData } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import type { JobState, JobStatus } from '../coordinator/job-master/job-status.ts'
import type { JobOutcome } from '../coordinator/job-master/state.ts'

/** How a job ended, with the counts of this run, replays included. */
export interface JobResult {
  readonly state: JobOutcome
  /** Why it failed; with SUSPENDED: why there is no last checkpoint. */
  readonly error: ErrorData | undefined
  readonly recordsIn: number
  readonly recordsOut: number
  /** Completed by this run. */
  readonly checkpoints: number
  /** Restarts of regions. */
  readonly restarts: number
}

export type JobRequest = 'cancelJob' | 'suspendJob' | 'drainJob' | 'checkpointJob'

/** A submitted job, as whoever submitted it sees it. */
export class JobClient {
  readonly jobId: JobId
  /** Always resolves, also where the job fails. */
  readonly result: Promise<JobResult>
  readonly #request: (request: JobRequest) => void
  readonly #listenerFailed: (error: unknown) => void
  readonly #listeners = new Set<(status: JobStatus) => void>()
  #resolve: (result: JobResult) => void = () => {}
  #status: JobStatus

  constructor(initial: JobStatus, request: (request: JobRequest) => void, listenerFailed: (error: unknown) => void) {
    this.jobId = initial.jobId
    this.#status = initial
    this.#request = request
    this.#listenerFailed = listenerFailed
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** The newest that is known; slots report their counts every second. */
  status(): JobStatus {
    return this.#status
  }

  /** Called after every change of the status; what it throws is logged. Gives back what ends it. */
  onChange(listener: (status: JobStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Ends the job without a last checkpoint; it ends CANCELED. */
  cancel(): void {
    this.#request('cancelJob')
  }

  /** Sources stop as if their input had ended: the final watermark goes out, all windows fire, and the job ends FINISHED. */
  drain(): void {
    this.#request('drainJob')
  }

  /** Ctrl-C: one last checkpoint, no final watermark; the job ends SUSPENDED and can be started again from there (R12). */
  suspend(): void {
    this.#request('suspendJob')
  }

  /** Begins a checkpoint now, where none is in work; what becomes of it shows in the status. */
  checkpoint(): void {
    this.#request('checkpointJob')
  }

  /** For the cluster: what the JobMaster says. */
  changed(status: JobStatus): void {
    this.#status = status
    for (const listener of [...this.#listeners]) this.#tell(listener, status)
    if (!isOutcome(status.state)) return
    const { metrics, checkpoints, restarts, error } = status
    const { recordsIn, recordsOut } = metrics
    this.#resolve({ state: status.state, error, recordsIn, recordsOut, checkpoints: checkpoints.completed, restarts })
  }

  /** A listener that throws keeps nobody else from hearing how the job ends. */
  #tell(listener: (status: JobStatus) => void, status: JobStatus): void {
    try {
      listener(status)
    } catch (error) {
      this.#listenerFailed(error)
    }
  }
}

function isOutcome(state: JobState): state is JobOutcome {
  return state === 'FINISHED' || state === 'CANCELED' || state === 'FAILED' || state === 'SUSPENDED'
}
