import type { JobPlan } from '../graph/job-graph.ts'

/** What a person should know before the job runs; empty: nothing. */
export function warningsOf(plan: JobPlan): readonly string[] {
  const ofOperators = plan.vertices
    .flatMap(({ operators }) => operators)
    .flatMap(({ name, warning }) => (warning === undefined ? [] : [`WARNING: '${name}' ${warning}`]))
  return [...unpublishedOutput(plan), ...ofOperators]
}

function unpublishedOutput(plan: JobPlan): readonly string[] {
  if (plan.configuration.checkpointing !== undefined) return []
  const sinks = exactlyOnceSinks(plan)
  if (sinks.length === 0) return []
  const names = sinks.map((name) => `'${name}'`).join(', ')
  return [
    `WARNING: there are no checkpoints, so ${names} publishes its output only when the job has ended, and a job that fails or is stopped publishes nothing; call env.enableCheckpointing('10s') or add -D execution.checkpointing.interval=10s`,
  ]
}

/** Names of the sinks whose output becomes visible with checkpoints. */
export function exactlyOnceSinks({ vertices }: JobPlan): readonly string[] {
  return vertices
    .flatMap(({ operators }) => operators)
    .filter(({ sink }) => sink?.deliveryGuarantee === 'exactly-once')
    .map(({ name }) => name)
}
