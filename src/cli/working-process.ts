import { errorData, MillraceError } from '../common/errors.ts'
import type { FromWorkingProcess, ToWorkingProcess } from './process-protocol.ts'
import { type RunControl, runJob } from './run-job.ts'

/** The entry of the working process: one run, told and watched over the channel to the supervisor. */
process.setSourceMapsEnabled(true)

let control: RunControl | undefined
/** A stop that came while the job was being started. */
let stopRequest: 'suspend' | 'drain' | undefined

// Without its supervisor nobody restarts it and nobody sees it: it ends, and a new run finds the lock free (R30).
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// Ctrl-C and the end of a terminal reach the whole process group; what they mean is the supervisor's to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('uncaughtException', (error: unknown) => void crash(error))
process.stdout.on('error', () => void report({ type: 'outputClosed' }))
// Nobody is left who could be told.
process.stderr.on('error', () => {})
process.on('message', (message: ToWorkingProcess) => {
  handle(message).catch((error: unknown) => refuse(error))
})

async function handle(message: ToWorkingProcess): Promise<void> {
  switch (message.type) {
    case 'start':
      control = await runJob(message.request, message.goesOn, report)
      if (stopRequest !== undefined) control.stop(stopRequest)
      await control.ended
      // Threads that do not end and sockets of libraries must not hold the process.
      process.exit(0)
      break
    case 'suspend':
    case 'drain':
      stopRequest = message.type
      control?.stop(message.type)
      break
    default: {
      const never: never = message
      throw new MillraceError('MR_INTERNAL', `unknown message ${JSON.stringify(never)}`)
    }
  }
}

function report(message: FromWorkingProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}

async function refuse(error: unknown): Promise<void> {
  await report({ type: 'refused', error: errorData(error) })
  process.exit(1)
}

/** What nobody caught is mostly the job's: timers and promises of its file, which this thread has evaluated. */
async function crash(error: unknown): Promise<void> {
  const data = errorData(error, 'MR_PROCESS_LOST')
  await report({ type: 'crashed', error: { ...data, message: `uncaught: ${data.message}` } })
  process.exit(1)
}
