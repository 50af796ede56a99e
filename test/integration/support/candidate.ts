import { createInterface } from 'node:readline'
import { LeaderElection, type Leadership } from '../../../src/actors/election/leader-election.ts'
import { messageOf } from '../../../src/common/errors.ts'
import { jobId } from '../../../src/common/ids.ts'
import { controlKeys } from '../../../src/redis/control-keys.ts'
import { openRedis } from '../../../src/redis/redis-connection.ts'
import { RedisControlStore } from '../../../src/state/redis/redis-control-store.ts'

/** A process that wants to lead; one line of JSON for all that happens to it. Commands come by lines. */
const { control, locks, leaseMs } = JSON.parse(process.argv[2] ?? '{}')
const redis = (url: string) => ({ urls: [url], key: 'high-availability.redis.url' })
const job = jobId('0123456789abcdef0123456789abcdef')
let leadership: Leadership | undefined

const say = (event: object): void => {
  process.stdout.write(`${JSON.stringify({ ...event, atMs: Date.now() })}\n`)
}

const election = await LeaderElection.start({
  control: redis(control),
  lockNodes: locks.map(redis),
  clusterId: 'east',
  leaseMs,
  onLeading: (given) => {
    leadership = given
    say({ type: 'leading', token: given.token, epoch: given.epoch, losses: given.losses.length })
  },
  onStandby: (reason) => say({ type: 'standby', reason, valid: leadership?.isValid() }),
})

/** A write that is sent although the lease may have ended: the fence alone can refuse it. */
async function writeBlindly(): Promise<void> {
  if (leadership === undefined) return
  const { token } = leadership
  const connection = await openRedis(redis(control))
  try {
    const store = new RedisControlStore({
      connection,
      keys: controlKeys('east'),
      authority: { token, isValid: () => true },
    })
    const revision = (await store.jobs()).find(({ jobId }) => jobId === job)?.revision ?? 0
    await store.writeJob(job, revision, { token })
    say({ type: 'written', token, valid: leadership.isValid() })
  } catch (error) {
    say({ type: 'refused', token, valid: leadership.isValid(), reason: messageOf(error) })
  } finally {
    connection.close()
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, value] = line.split(' ')
  if (command === 'busy') {
    const until = Date.now() + Number(value)
    while (Date.now() < until);
    say({ type: 'idle', valid: leadership?.isValid() })
  }
  if (command === 'write') void writeBlindly()
  if (command === 'resign') void leadership?.resign().then(() => say({ type: 'resigned' }))
  if (command === 'stop') void election.stop().then(() => process.exit(0))
})
say({ type: 'started' })
