import { errorData } from '../common/errors.ts'
import { startTaskManager, type TaskManagerProcess } from '../deploy/task-manager-process.ts'
import { jsonLines } from './process-logger.ts'
import type { FromTaskManager, ToTaskManager } from './task-manager-protocol.ts'

/** The entry of a TaskManager's working process, told and watched over the channel to its supervisor (R30). */
process.setSourceMapsEnabled(true)

let running: TaskManagerProcess | undefined

// Without its supervisor nobody restarts it: it ends, and its jobs go on elsewhere (R30).
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// What a signal to the process group means is the supervisor's to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
process.on('uncaughtException', (error: unknown) => void end({ type: 'crashed', error: errorData(error) }))
process.on('message', (message: ToTaskManager) => {
  handle(message).catch((error: unknown) => end({ type: 'refused', error: errorData(error) }))
})

async function handle(message: ToTaskManager): Promise<void> {
  if (message.type === 'leave') {
    if (running === undefined) await end({ type: 'left', clean: true })
    else running.leave(message.graceMs)
    return
  }
  const { configuration, numberOfTaskSlots } = message
  running = await startTaskManager({
    configuration,
    numberOfTaskSlots,
    logger: await jsonLines(message.logLevel),
    giveUp: (error) => void end({ type: 'crashed', error }),
    left: (clean) => void end({ type: 'left', clean }),
    killProcess: (error) => void report({ type: 'crashed', error }).then(() => process.kill(process.pid, 'SIGKILL')),
  })
  await report({ type: 'started', id: running.id, dataAddress: running.dataAddress })
}

function report(message: FromTaskManager): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}

/** Threads that do not end and sockets of libraries must not hold the process. */
async function end(message: FromTaskManager): Promise<void> {
  await report(message)
  process.exit(message.type === 'left' ? 0 : 1)
}
