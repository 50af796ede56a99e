import { buildJob, type JobBuilder, job } from '../../../src/api/job.ts'
import type { DeliveryGuarantee, Sink } from '../../../src/api/sink.ts'
import type { Source } from '../../../src/api/source.ts'
import { createJobGraph } from '../../../src/graph/chaining.ts'
import type { JobGraph, JobPlan } from '../../../src/graph/job-graph.ts'
import { planOf } from '../../../src/graph/plan.ts'
import type { ConfigurationValues } from '../../../src/graph/resolve-configuration.ts'
import type { StreamGraph } from '../../../src/graph/stream-graph.ts'

export interface Click {
  readonly user: string
  readonly page: string
  readonly at: number
}

/** A sink that is only declared: graphs are built in these tests, not run. */
export function declaredSink<T = unknown>(
  connector = 'nowhere',
  deliveryGuarantee: DeliveryGuarantee = 'none',
): Sink<T> {
  return {
    connector,
    deliveryGuarantee,
    createWriter() {
      throw new Error('not run here')
    },
  }
}

/** A source that is only declared. */
export function declaredSource<T>(options: Partial<Source<T>> = {}): Source<T> {
  return {
    boundedness: 'continuous',
    description: { connector: 'declared', options: null },
    type: { kind: 'untyped' },
    createReader() {
      throw new Error('not run here')
    },
    ...options,
  }
}

export function graphOf(build: JobBuilder, configuration: ConfigurationValues = {}): StreamGraph {
  return buildJob(job('sample', build), [], configuration)
}

export function jobGraphOf(build: JobBuilder, configuration: ConfigurationValues = {}): JobGraph {
  return createJobGraph(graphOf(build, configuration))
}

export function planFor(build: JobBuilder, configuration: ConfigurationValues = {}): JobPlan {
  return planOf(jobGraphOf(build, configuration))
}

/** Vertices and edges as short lines, for tables. */
export function layoutOf(graph: JobGraph): readonly string[] {
  const names = new Map(graph.vertices.map((vertex) => [vertex.id, vertex.name]))
  return [
    ...graph.vertices.map((vertex) => `${vertex.name} x${vertex.parallelism}`),
    ...graph.edges.map(
      (edge) =>
        `${names.get(edge.fromVertex)}${edge.sideOutput === undefined ? '' : ` [${edge.sideOutput}]`} =${edge.partitioner.kind}=> ${names.get(edge.toVertex)}`,
    ),
  ]
}
