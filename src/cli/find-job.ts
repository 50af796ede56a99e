import { MillraceError } from '../common/errors.ts'
import { type JobId, jobId } from '../common/ids.ts'
import type { ClusterClient } from '../rest/client.ts'

const endedStates: ReadonlySet<string> = new Set(['FINISHED', 'CANCELED', 'FAILED', 'SUSPENDED'])

export function isEnded(state: string): boolean {
  return endedStates.has(state)
}

/**
 * The job that a person means: by its id, the beginning of it, or the name of a job. Of several with the name the one
 * that runs is meant, else the newest.
 *
 * @throws MillraceError MR_JOB_NOT_FOUND
 */
export async function findJob(client: ClusterClient, text: string): Promise<JobId> {
  const jobs = await client.jobs()
  const byId = jobs.filter(({ jid }) => jid === text || (/^[0-9a-f]{4,}$/.test(text) && jid.startsWith(text)))
  const named = jobs.filter(({ name }) => name === text)
  const running = named.filter(({ state }) => !isEnded(state))
  const candidates = byId.length > 0 ? byId : running.length > 0 ? running : named.slice(-1)
  const [only, ...others] = candidates
  if (only === undefined) throw new MillraceError('MR_JOB_NOT_FOUND', `there is no job ${text} on this cluster`)
  if (others.length === 0) return jobId(only.jid)
  const ids = candidates.map(({ jid }) => jid).join(', ')
  throw new MillraceError('MR_JOB_NOT_FOUND', `${text} can mean ${candidates.length} jobs: ${ids}`)
}
