import { collectionEnumerator } from '../api/collection-source.ts'
import { sequenceEnumerator } from '../api/sequence-source.ts'
import type { EnumeratorOf } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import { datagenEnumerator } from '../connectors/datagen/datagen-source.ts'
import { fileEnumerator } from '../connectors/filesystem/file-enumerator.ts'
import type { JobPlan } from '../graph/job-graph.ts'

const enumerators: Readonly<Record<string, EnumeratorOf | undefined>> = {
  collection: ({ options }) => collectionEnumerator(options),
  sequence: ({ options }) => sequenceEnumerator(options),
  datagen: ({ options }) => datagenEnumerator(options),
  filesystem: fileEnumerator,
}

/** For a process that leads jobs of whatever sources. */
export async function allEnumerators(): Promise<EnumeratorOf> {
  const { kafkaEnumerator } = await import('../connectors/kafka/kafka-enumerator.ts')
  return enumeratorsWith(kafkaEnumerator)
}

/** The split enumerators of the connectors that come with Millrace; a client that takes long to load only for jobs that need it. */
export async function enumeratorsFor({ vertices }: JobPlan): Promise<EnumeratorOf> {
  const readsKafka = vertices.some(({ source }) => source?.description.connector === 'kafka')
  const kafka = readsKafka ? (await import('../connectors/kafka/kafka-enumerator.ts')).kafkaEnumerator : undefined
  return enumeratorsWith(kafka)
}

function enumeratorsWith(kafka: EnumeratorOf | undefined): EnumeratorOf {
  return (description, context) => {
    const { connector } = description
    const create = connector === 'kafka' ? kafka : enumerators[connector]
    if (create !== undefined) return create(description, context)
    throw new MillraceError('MR_JOB_DEFINITION', `source ${context.operatorName}: there is no connector ${connector}`)
  }
}
