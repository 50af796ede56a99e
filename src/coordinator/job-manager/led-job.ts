import type { StoredJob } from '../control-store.ts'
import { heldSlots, readRecord } from '../job-master/job-record.ts'
import type { LedJob } from './membership.ts'

/**
 * What a JobManager has to know of a stored job. One that has finished or was cancelled is led once more: its leader went
 * before everything of it was gone (R14). @throws MillraceError MR_INTERNAL for a record of another version
 */
export function ledJobOf({ jobId, record }: StoredJob): LedJob {
  const read = readRecord(record)
  const { submission, phase } = read
  const stays = phase.type === 'ended' && (phase.outcome === 'FAILED' || phase.outcome === 'SUSPENDED')
  return { jobId, requestId: submission.requestId ?? '', running: !stays, held: heldSlots(read) }
}
