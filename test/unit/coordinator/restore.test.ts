import { expect, test } from 'vitest'
import { checkpointId, jobId } from '../../../src/common/ids.ts'
import {
  checkpointedSplits,
  finishedSubtasks,
  type RestorePoint,
  restoreFrom,
  restoreObstacle,
  statefulUids,
} from '../../../src/coordinator/restore.ts'
import { executionGraph } from '../../../src/graph/execution-graph.ts'
import type { JobPlan, PlanVertex } from '../../../src/graph/job-graph.ts'
import type { CheckpointRecord, SubtaskRecord } from '../../../src/state/checkpoint-record.ts'
import { planOf, type VertexSketch } from './plans.ts'

const job: readonly VertexSketch[] = [
  { name: 'source', parallelism: 2, kind: 'source' },
  { name: 'sink', parallelism: 1, kind: 'sink', reads: { source: 'rebalance' } },
]

function recordOf(plan: JobPlan, change: (part: SubtaskRecord, place: string) => SubtaskRecord = (part) => part) {
  const partOf = (vertex: PlanVertex, index: number): SubtaskRecord => {
    const name = `${vertex.name}${index}`
    const splits = vertex.source === undefined ? [] : [{ id: `s${index}`, position: index }]
    const part = { manifest: { name, length: 1, checksum: 0 }, splits, finished: false, hasCommittables: false }
    return change(part, name)
  }
  return {
    formatVersion: 1,
    jobId: jobId('a'.repeat(32)),
    jobName: 'tested',
    id: checkpointId(7),
    kind: 'checkpoint',
    triggeredAt: 0,
    completedAt: 0,
    graphHash: plan.hash,
    vertices: plan.vertices.map((vertex) => ({
      vertexId: vertex.id,
      operatorUids: statefulUids(vertex),
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      subtasks: Array.from({ length: vertex.parallelism }, (_, index) => partOf(vertex, index)),
    })),
  } as const satisfies CheckpointRecord
}

const pointOf = (record: CheckpointRecord, ownRun = true): RestorePoint => ({
  record,
  blobStore: { type: 'memory', name: 'own' },
  committed: false,
  ownRun,
})

const vertexNamed = (plan: JobPlan, name: string): PlanVertex => {
  const vertex = plan.vertices.find((candidate) => candidate.name === name)
  if (vertex === undefined) throw new Error(name)
  return vertex
}

test('every subtask gets the manifests of all old subtasks, and its own as base in the same run (R1)', () => {
  const plan = planOf(job)
  const restored = restoreFrom(pointOf(recordOf(plan)), vertexNamed(plan, 'source'))
  expect(restored?.manifests.map(({ manifest, parallelism }) => `${manifest.name}/${parallelism}`)).toEqual([
    'source0/2',
    'source1/2',
  ])
  expect(restored?.ownManifestIsBase).toBe(true)
})

test.each([
  ['another run', planOf(job), false],
  ['another parallelism', planOf([{ name: 'source', parallelism: 3, kind: 'source' }, ...job.slice(1)]), true],
])('with %s there is no base', (_, plan, ownRun) => {
  const point = pointOf(recordOf(planOf(job)), ownRun)
  expect(restoreFrom(point, vertexNamed(plan, 'source'))?.ownManifestIsBase).toBe(false)
})

test('a vertex whose chain has changed since gets the manifests of all vertices that hold its operators', () => {
  const plan = planOf(job)
  const record = recordOf(plan)
  const operators = plan.vertices.flatMap((vertex) => vertex.operators)
  const chained: PlanVertex = { ...vertexNamed(plan, 'source'), id: vertexNamed(plan, 'sink').id, operators }
  const restored = restoreFrom(pointOf(record), chained)
  expect(restored?.manifests.map(({ manifest }) => manifest.name)).toEqual(['source0', 'source1', 'sink0'])
  expect(restored?.ownManifestIsBase).toBe(false)
})

test('positions of a source are found by its uid', () => {
  const plan = planOf(job)
  expect(checkpointedSplits(recordOf(plan), vertexNamed(plan, 'source'))).toEqual([
    { id: 's0', position: 0 },
    { id: 's1', position: 1 },
  ])
})

test.each([
  ['state of an operator that is gone', planOf(job.slice(0, 1)), /state of operator 'sink'/],
  [
    'another max parallelism (R37)',
    planOf(job.map((vertex) => ({ ...vertex, maxParallelism: 64 }))),
    /max parallelism 128 of 'source', the job now has 64/,
  ],
])('%s is refused', (_, plan, message) => {
  const obstacle = restoreObstacle(recordOf(planOf(job)), plan)
  expect(obstacle).toMatchObject({ code: 'MR_STATE_INCOMPATIBLE', message: expect.stringMatching(message) })
  expect(restoreObstacle(recordOf(planOf(job)), planOf(job))).toBeUndefined()
})

test('which subtasks have finished is kept at the same layout, all or none at another (R12)', () => {
  const plan = planOf(job)
  const finishedAt = (...names: readonly string[]): CheckpointRecord =>
    recordOf(plan, (part, name) => ({ ...part, finished: names.includes(name) }))
  const wider = planOf([{ name: 'source', parallelism: 3, kind: 'source' }, ...job.slice(1)])
  const flags = (record: CheckpointRecord, target: JobPlan): string =>
    finishedSubtasks(record, target, executionGraph(target)).map(Number).join('')
  expect(flags(finishedAt('source1'), plan)).toBe('010')
  expect(flags(finishedAt('source1'), wider)).toBe('0000')
  expect(flags(finishedAt('source0', 'source1'), wider)).toBe('1110')
})
