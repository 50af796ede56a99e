import { collectionEnumerator } from '../api/collection-source.ts'
import { sequenceEnumerator } from '../api/sequence-source.ts'
import type { EnumeratorContext, EnumeratorOf, SourceDescription, SourceSplit, SplitEnumerator } from '../api/source.ts'
import { MillraceError } from '../common/errors.ts'
import { datagenEnumerator } from '../connectors/datagen/datagen-source.ts'
import { fileEnumerator } from '../connectors/filesystem/file-enumerator.ts'
import { scriptedEnumerator } from './scripted-source.ts'

const enumerators: Readonly<Record<string, EnumeratorOf>> = {
  collection: ({ options }) => collectionEnumerator(options),
  sequence: ({ options }) => sequenceEnumerator(options),
  datagen: ({ options }) => datagenEnumerator(options),
  filesystem: fileEnumerator,
  scripted: ({ options }) => scriptedEnumerator(options),
  kafka: (description, context) => new KafkaWhenUsed(description, context),
}

/** Enumerators of the connectors that come with Millrace, and of those that a test brings along. */
export function enumeratorOfTest(own: Readonly<Record<string, EnumeratorOf>>): EnumeratorOf {
  return (description, context) => {
    const create = own[description.connector] ?? enumerators[description.connector]
    if (create !== undefined) return create(description, context)
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `source "${context.operatorName}": there is no connector ${description.connector}; give the test cluster its enumerator, or replace the source`,
    )
  }
}

/** Loads the Kafka client only for jobs that read Kafka: most tests should not wait for it. */
class KafkaWhenUsed implements SplitEnumerator {
  discoveryIntervalMs?: number
  readonly #loaded: Promise<SplitEnumerator>
  #enumerator: SplitEnumerator | undefined

  constructor(description: SourceDescription, context: EnumeratorContext) {
    this.#loaded = import('../connectors/kafka/kafka-enumerator.ts').then(({ kafkaEnumerator }) => {
      const enumerator = kafkaEnumerator(description, context)
      this.#enumerator = enumerator
      // Asked for when the splits are known, and so the client is loaded.
      if (enumerator.discoveryIntervalMs !== undefined) this.discoveryIntervalMs = enumerator.discoveryIntervalMs
      return enumerator
    })
    // Whoever asks gets the error.
    this.#loaded.catch(() => {})
  }

  async start(parallelism: number): Promise<readonly SourceSplit[]> {
    return (await this.#loaded).start(parallelism)
  }

  async restore(known: readonly SourceSplit[], parallelism: number): Promise<readonly SourceSplit[]> {
    return (await this.#loaded).restore(known, parallelism)
  }

  async discover(knownIds: ReadonlySet<string>): Promise<readonly SourceSplit[]> {
    return (await this.#loaded).discover(knownIds)
  }

  async checkpointCompleted(splits: readonly SourceSplit[]): Promise<void> {
    await (await this.#loaded).checkpointCompleted(splits)
  }

  async close(): Promise<void> {
    await this.#enumerator?.close()
  }
}
