import { type ExecutionSubtask, type SlotSharingGroup, slotSharingGroups } from '../graph/execution-graph.ts'
import type { JobPlan, PlanVertex } from '../graph/job-graph.ts'

/**
 * The job's slot of every subtask, by index in ExecutionGraph.subtasks. Each slot sharing group has slots of its own.
 * Within a group a slot takes one subtask of each vertex at most. Vertices of lower parallelism start behind each other,
 * so that they spread over the slots; one that reads from a vertex as parallel as itself lies with it, since inside a
 * slot records pass as references.
 */
export function assignSlots(plan: JobPlan, subtasks: readonly ExecutionSubtask[]): readonly number[] {
  const placeOf = new Map<string, (subtaskIndex: number) => number>()
  let offset = 0
  for (const group of slotSharingGroups(plan)) {
    const start = offset
    for (const [vertexId, first] of firstSlots(plan, group)) {
      placeOf.set(vertexId, (subtaskIndex) => start + ((first + subtaskIndex) % group.slots))
    }
    offset += group.slots
  }
  return subtasks.map(({ vertexId, subtaskIndex }) => placeOf.get(vertexId)?.(subtaskIndex) ?? 0)
}

/** The slot of the first subtask of each vertex of a group, counted within the group. */
function firstSlots(plan: JobPlan, { name, slots }: SlotSharingGroup): ReadonlyMap<string, number> {
  const first = new Map<string, number>()
  let next = 0
  for (const vertex of plan.vertices.filter(({ slotSharingGroup }) => slotSharingGroup === name)) {
    const inherited = senderAlike(plan, vertex)
    const inheritedSlot = inherited === undefined ? undefined : first.get(inherited.id)
    if (inheritedSlot !== undefined || vertex.parallelism >= slots) {
      first.set(vertex.id, inheritedSlot ?? 0)
    } else {
      first.set(vertex.id, next)
      next = (next + vertex.parallelism) % slots
    }
  }
  return first
}

/** A vertex of the same group and parallelism from which it reads. */
function senderAlike(plan: JobPlan, vertex: PlanVertex): PlanVertex | undefined {
  return plan.edges
    .filter((edge) => edge.toVertex === vertex.id)
    .map((edge) => plan.vertices.find((sender) => sender.id === edge.fromVertex))
    .find((sender) => sender?.parallelism === vertex.parallelism && sender.slotSharingGroup === vertex.slotSharingGroup)
}
