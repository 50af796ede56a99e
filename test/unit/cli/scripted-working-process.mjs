// A working process that does what the name of the job file says.
const progress = { state: 'RUNNING', recordsIn: 1, recordsOut: 1, lag: Number.NaN, checkpoints: 0, restarts: 0 }

function handle(message, script) {
  const [first, ...rest] = script
  if (message.type === 'start') {
    if (first === 'killed-loading') process.kill(process.pid, 'SIGKILL')
    if (first === 'refuse') {
      process.send({ type: 'refused', error: { code: 'MR_STORAGE', message: 'disk full' } }, () => process.exit(1))
      return rest
    }
    const restartStrategy = { type: 'fixed-delay', attempts: 3, delayMs: 1 }
    process.send({
      type: 'started',
      identity: { jobId: 'a', runFolder: 'run-1' },
      jobName: 'scripted',
      restartStrategy,
      notes: [],
    })
    if (first === 'crash') process.exit(7)
    return script
  }
  if (message.goesOn === undefined && first === `crash-on-${message.type}`) process.exit(7)
  if (first === `finish-on-${message.type}`) {
    process.send({ type: 'ended', state: 'FINISHED', error: undefined, progress }, () => process.exit(0))
  }
  return rest
}

let script = []
process.on('message', (message) => {
  if (message.type === 'start') {
    const [before, after = before] = message.request.jobFile.split(' / ')
    script = (message.goesOn === undefined ? before : after).split(' ')
  }
  script = handle(message, script)
})
