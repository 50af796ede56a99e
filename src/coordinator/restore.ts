import type { SourceSplit } from '../api/source.ts'
import type { ErrorData } from '../common/errors.ts'
import type { ExecutionGraph } from '../graph/execution-graph.ts'
import type { JobPlan, PlanVertex } from '../graph/job-graph.ts'
import type { CheckpointRecord, VertexRecord } from '../state/checkpoint-record.ts'
import type { BlobStoreReference, RestoreFrom } from '../task/slot-protocol.ts'

/** A completed checkpoint to start attempts from. */
export interface RestorePoint {
  readonly record: CheckpointRecord
  readonly blobStore: BlobStoreReference
  /** All that it lists is committed (R17). */
  readonly committed: boolean
  /** The record stands in this run's own store: its chunks may be named again, and it is marked committed here (R1, R17). */
  readonly ownRun: boolean
}

/** The uids that tie a vertex to its state: those of its stateful operators. */
export function statefulUids(vertex: PlanVertex): readonly string[] {
  return vertex.operators.filter((operator) => operator.stateful).map((operator) => operator.uid)
}

/** The old vertices that hold state of this one: several where its chain has changed since. */
export function matchingVertices(record: CheckpointRecord, vertex: PlanVertex): readonly VertexRecord[] {
  const uids = statefulUids(vertex)
  return record.vertices.filter(
    (old) => old.vertexId === vertex.id || old.operatorUids.some((uid) => uids.includes(uid)),
  )
}

/** Why this job can not be restored from this record; undefined: it can. */
export function restoreObstacle(record: CheckpointRecord, plan: JobPlan): ErrorData | undefined {
  const known = new Set(plan.vertices.flatMap(statefulUids))
  const orphan = record.vertices.flatMap((old) => old.operatorUids).find((uid) => !known.has(uid))
  if (orphan !== undefined) {
    return incompatible(
      `checkpoint ${record.id} of job '${record.jobName}' has state of operator '${orphan}', which this job does not have`,
    )
  }
  for (const vertex of plan.vertices) {
    for (const old of matchingVertices(record, vertex)) {
      if (old.maxParallelism === vertex.maxParallelism) continue
      // R37: key groups would not be the same.
      return incompatible(
        `checkpoint ${record.id} was written with max parallelism ${old.maxParallelism} of '${vertex.name}', the job now has ${vertex.maxParallelism}`,
      )
    }
  }
  return undefined
}

function incompatible(message: string): ErrorData {
  return { code: 'MR_STATE_INCOMPATIBLE', message }
}

/** What every subtask of the vertex is deployed with; undefined: nothing of it is in the checkpoint. */
export function restoreFrom(point: RestorePoint, vertex: PlanVertex): RestoreFrom | undefined {
  const matching = matchingVertices(point.record, vertex)
  if (matching.length === 0) return undefined
  return {
    checkpointId: point.record.id,
    blobStore: point.blobStore,
    manifests: matching.flatMap((old) =>
      old.subtasks.map((subtask, subtaskIndex) => ({
        subtaskIndex,
        parallelism: old.parallelism,
        manifest: subtask.manifest,
        settled: !subtask.hasCommittables,
      })),
    ),
    ownManifestIsBase: point.ownRun && isSameVertex(matching, vertex),
    committed: point.committed,
  }
}

function isSameVertex(matching: readonly VertexRecord[], vertex: PlanVertex): boolean {
  const only = matching.length === 1 ? matching[0] : undefined
  if (only === undefined) return false
  const uids = statefulUids(vertex)
  return (
    only.vertexId === vertex.id &&
    only.parallelism === vertex.parallelism &&
    only.operatorUids.length === uids.length &&
    only.operatorUids.every((uid) => uids.includes(uid))
  )
}

/** Positions of the source at the head of the vertex, finished subtasks' included. */
export function checkpointedSplits(record: CheckpointRecord | undefined, vertex: PlanVertex): readonly SourceSplit[] {
  const head = vertex.operators[0]
  if (record === undefined || vertex.source === undefined || head === undefined) return []
  return record.vertices
    .filter((old) => old.vertexId === vertex.id || old.operatorUids.includes(head.uid))
    .flatMap((old) => old.subtasks.flatMap((subtask) => subtask.splits))
}

/**
 * Which subtasks had ended before the checkpoint (R12), by index in ExecutionGraph.subtasks. Of a vertex that is laid
 * out anew all or none: a share of the state of unfinished subtasks may fall to any of them.
 */
export function finishedSubtasks(record: CheckpointRecord, plan: JobPlan, graph: ExecutionGraph): readonly boolean[] {
  const vertices = new Map(plan.vertices.map((vertex) => [vertex.id, vertex]))
  return graph.subtasks.map(({ vertexId, subtaskIndex }) => {
    const vertex = vertices.get(vertexId)
    const matching = vertex === undefined ? [] : matchingVertices(record, vertex)
    if (vertex !== undefined && isSameVertex(matching, vertex)) {
      return matching[0]?.subtasks[subtaskIndex]?.finished === true
    }
    return matching.length > 0 && matching.every((old) => old.subtasks.every((subtask) => subtask.finished))
  })
}

/** Which subtasks get lists that wait to be committed when they are restored (R16), by index in ExecutionGraph.subtasks. */
export function subtasksToCommit(point: RestorePoint, plan: JobPlan, graph: ExecutionGraph): readonly number[] {
  if (point.committed) return []
  const vertices = new Map(plan.vertices.map((vertex) => [vertex.id, vertex]))
  return graph.subtasks
    .filter(({ vertexId, subtaskIndex }) => {
      const vertex = vertices.get(vertexId)
      const matching = vertex === undefined ? [] : matchingVertices(point.record, vertex)
      if (vertex !== undefined && isSameVertex(matching, vertex)) {
        return matching[0]?.subtasks[subtaskIndex]?.hasCommittables === true
      }
      return matching.some((old) => old.subtasks.some((subtask) => subtask.hasCommittables))
    })
    .map(({ index }) => index)
}
