import { collectionEnumerator } from '../api/collection-source.ts'
import { sequenceEnumerator } from '../api/sequence-source.ts'
import type { EnumeratorOf } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import { datagenEnumerator } from '../connectors/datagen/datagen-source.ts'
import { kafkaEnumerator } from '../connectors/kafka/kafka-enumerator.ts'

const enumerators: Readonly<Record<string, EnumeratorOf>> = {
  collection: ({ options }) => collectionEnumerator(options),
  sequence: ({ options }) => sequenceEnumerator(options),
  datagen: ({ options }) => datagenEnumerator(options),
  kafka: kafkaEnumerator,
}

/** The split enumerators of the connectors that come with Millrace. */
export const enumeratorOf: EnumeratorOf = (description, context) => {
  const create = enumerators[description.connector]
  if (create === undefined) {
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `source ${context.operatorName}: there is no connector ${description.connector}`,
    )
  }
  return create(description, context)
}
