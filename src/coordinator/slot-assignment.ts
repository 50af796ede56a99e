import type { ExecutionSubtask } from '../graph/execution-graph.ts'
import type { JobPlan } from '../graph/job-graph.ts'

/**
 * The job's slot of every subtask, by index in ExecutionGraph.subtasks. Slot sharing: a slot takes one subtask of each
 * vertex at most. Vertices of lower parallelism start behind each other, so that they spread over the slots; one that
 * reads from a vertex as parallel as itself lies with it, since inside a slot records pass as references.
 */
export function assignSlots(plan: JobPlan, subtasks: readonly ExecutionSubtask[], slots: number): readonly number[] {
  const firstSlots = new Map<string, number>()
  let next = 0
  for (const vertex of plan.vertices) {
    const inherited = plan.edges
      .filter((edge) => edge.toVertex === vertex.id)
      .map((edge) => plan.vertices.find((sender) => sender.id === edge.fromVertex))
      .find((sender) => sender?.parallelism === vertex.parallelism)
    const inheritedSlot = inherited === undefined ? undefined : firstSlots.get(inherited.id)
    if (inheritedSlot !== undefined || vertex.parallelism >= slots) {
      firstSlots.set(vertex.id, inheritedSlot ?? 0)
    } else {
      firstSlots.set(vertex.id, next)
      next = (next + vertex.parallelism) % slots
    }
  }
  return subtasks.map(({ vertexId, subtaskIndex }) => ((firstSlots.get(vertexId) ?? 0) + subtaskIndex) % slots)
}
