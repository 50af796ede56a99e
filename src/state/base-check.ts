import type { CheckpointId } from '../common/ids.ts'
import { checkpointId } from '../common/ids.ts'
import type { CheckpointRecord } from './checkpoint-record.ts'
import type { ManifestHeader, ManifestHeaders } from './manifest-headers.ts'
import { baseViolation } from './piece-chains.ts'

/**
 * The leader's check at completion (R1): what is wrong with a record that is about to be written; undefined: every
 * manifest of this checkpoint names older blobs only as its own manifest of its base does.
 */
export async function baseViolationIn(
  record: CheckpointRecord,
  headers: ManifestHeaders,
  read: (id: CheckpointId) => Promise<CheckpointRecord>,
): Promise<string | undefined> {
  const bases = new Map<number, Promise<CheckpointRecord>>()
  const baseOf = async (vertexId: string, subtask: number, base: number): Promise<ManifestHeader | undefined> => {
    if (base === 0) return undefined
    const older = bases.get(base) ?? read(checkpointId(base))
    bases.set(base, older)
    const vertex = (await older).vertices.find((candidate) => candidate.vertexId === vertexId)
    const part = vertex?.subtasks[subtask]
    return part === undefined ? undefined : await headers.of(part.manifest)
  }
  for (const { vertexId, subtasks } of record.vertices) {
    for (const [subtask, { manifest }] of subtasks.entries()) {
      const header = await headers.of(manifest)
      // Carried forward from a record that was checked itself (R12).
      if (header.checkpointId !== record.id) continue
      const violation = baseViolation(header, await baseOf(vertexId, subtask, header.base))
      if (violation !== undefined) return violation
    }
  }
  return undefined
}
