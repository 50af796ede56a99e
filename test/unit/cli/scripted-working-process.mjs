// A working process that does what the name of the job file says.
const progress = { state: 'RUNNING', recordsIn: 1, recordsOut: 1, lag: Number.NaN, checkpoints: 0, restarts: 0 }

const starts = {
  hang: () => {},
  exit: () => process.exit(0),
  throw: () => {
    const error = { code: 'MR_PROCESS_LOST', message: 'uncaught: boom' }
    process.send({ type: 'crashed', error }, () => process.exit(1))
  },
  'killed-loading': () => process.kill(process.pid, 'SIGKILL'),
  refuse: () => {
    process.send({ type: 'refused', error: { code: 'MR_STORAGE', message: 'disk full' } }, () => process.exit(1))
  },
}

function start(script) {
  const [first, ...rest] = script
  if (starts[first] !== undefined) {
    starts[first]()
    return rest
  }
  const restartStrategy = { type: 'fixed-delay', attempts: 3, delayMs: 1 }
  const identity = { jobId: 'a', runFolder: 'run-1' }
  process.send({ type: 'started', identity, jobName: 'scripted', restartStrategy, notes: [], prints: false })
  if (first === 'crash') process.exit(7)
  if (first === 'close-output') process.send({ type: 'outputClosed' })
  return script
}

function handle(message, script) {
  if (message.type === 'start') return start(script)
  const [first, ...rest] = script
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
