import { MillraceError } from '../../common/errors.ts'

/** What a process remembers of a cluster outside Redis, in memory and in a file (R25, I12). Plain data. */
export interface ClusterFacts {
  /** undefined: it has never seen the cluster. */
  readonly incarnation: string | undefined
  /** The highest that it has seen. */
  readonly epoch: number
  /** The highest completed checkpoint, by job. */
  readonly checkpoints: Readonly<Record<string, number>>
}

/** What Redis holds. */
export interface FoundFacts {
  readonly incarnation: string
  /** Before the claim that found it. */
  readonly epoch: number
  /** Earlier incarnations whose loss an operator or the leader has accepted. */
  readonly accepted: readonly string[]
  /** Of the jobs that are stored; undefined: they were not looked at. */
  readonly checkpoints?: Readonly<Record<string, number>>
}

export type DataLoss =
  | { readonly type: 'incarnation'; readonly known: string; readonly found: string }
  | { readonly type: 'epoch'; readonly known: number; readonly found: number }
  | { readonly type: 'checkpoint'; readonly jobId: string; readonly known: number; readonly found: number }

export const nothingKnown: ClusterFacts = { incarnation: undefined, epoch: 0, checkpoints: {} }

/**
 * In what Redis is behind; empty: in nothing. A job that Redis does not hold has ended, unless the whole cluster is
 * another one: then its incarnation tells.
 */
export function compare(known: ClusterFacts, found: FoundFacts): readonly DataLoss[] {
  if (known.incarnation === undefined) return []
  if (known.incarnation !== found.incarnation) {
    if (found.accepted.includes(known.incarnation)) return []
    return [{ type: 'incarnation', known: known.incarnation, found: found.incarnation }]
  }
  const losses: DataLoss[] = []
  if (found.epoch < known.epoch) losses.push({ type: 'epoch', known: known.epoch, found: found.epoch })
  for (const [jobId, id] of Object.entries(found.checkpoints ?? {})) {
    const before = known.checkpoints[jobId] ?? 0
    if (id < before) losses.push({ type: 'checkpoint', jobId, known: before, found: id })
  }
  return losses
}

/** What is known after this was found without a loss, or with one that was accepted. */
export function learned(known: ClusterFacts, found: FoundFacts): ClusterFacts {
  const isSame = known.incarnation === found.incarnation
  return {
    incarnation: found.incarnation,
    // Also over a loss: an epoch is never given twice (I2).
    epoch: Math.max(known.epoch, found.epoch),
    checkpoints: { ...(isSame ? known.checkpoints : {}), ...found.checkpoints },
  }
}

/** For the one who must not go on with what is there (I12). */
export function stateLost(losses: readonly DataLoss[], address: string): MillraceError {
  return new MillraceError('MR_STATE_LOST', `Redis at ${address} has lost data: ${losses.map(textOf).join('; ')}`)
}

function textOf(loss: DataLoss): string {
  switch (loss.type) {
    case 'incarnation':
      return `it holds incarnation ${loss.found} of the cluster, ${loss.known} was there`
    case 'epoch':
      return `its epoch is ${loss.found}, ${loss.known} was given already`
    case 'checkpoint':
      return `job ${loss.jobId} has checkpoint ${loss.found}, ${loss.known} was completed`
    default:
      return loss satisfies never
  }
}
