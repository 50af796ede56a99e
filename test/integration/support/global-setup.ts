import type { TestProject } from 'vitest/node'
import { setUpMachine, startKafka } from './kafka.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Bootstrap address of the one plain Kafka that all integration tests share: use topic names of your own. */
    kafkaBootstrap: string
  }
}

/** Starts the Kafka that all integration tests share, unless KAFKA_BOOTSTRAP names one that runs. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['KAFKA_BOOTSTRAP']
  if (given !== undefined && given !== '') {
    project.provide('kafkaBootstrap', given)
    return async () => undefined
  }
  await setUpMachine()
  const kafka = await startKafka({ name: 'vitest' })
  project.provide('kafkaBootstrap', kafka.bootstrap)
  return kafka.stop
}
