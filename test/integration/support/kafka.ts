import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const scripts = fileURLToPath(new URL('../../../scripts/', import.meta.url))

export type KafkaOptions = {
  /** Tells instances apart; the process id is added, so that two test runs don't meet. */
  readonly name: string
  readonly brokers?: 1 | 3
  readonly tls?: boolean
  readonly sasl?: boolean
  /** More properties of the brokers. */
  readonly properties?: Readonly<Record<string, string>>
}

/** A Kafka of its own for a test that restarts brokers or needs TLS, SASL or three brokers; every other test uses `inject('kafkaBootstrap')`. */
export type OwnKafka = {
  readonly bootstrap: string
  /** The file of the CA's certificate, with `tls`. */
  readonly caPath: string | undefined
  /** Kills all brokers, or the one named (1, 2, 3), by SIGKILL; the data stay. */
  readonly kill: (broker?: number) => Promise<void>
  /** Starts them again on their data; resolves when they serve clients. */
  readonly restart: (broker?: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/** User and password of every Kafka that was started with `sasl`. */
export const kafkaUser = { username: 'millrace', password: 'millrace-test' } as const

/** Runs `scripts/setup`, which is quick when everything is there. */
export async function setUpMachine(): Promise<void> {
  await run(`${scripts}setup`, { timeout: 900_000 })
}

/** Starts a Kafka on free ports. It is stopped by `stop()`, or when this process ends. */
export async function startKafka(options: KafkaOptions): Promise<OwnKafka> {
  const name = `${options.name}-${process.pid}`
  const kafka = async (command: string, ...more: readonly string[]): Promise<string> => {
    const { stdout } = await run(`${scripts}kafka`, [command, '--name', name, ...more], { timeout: 120_000 })
    return stdout
  }
  const output = await kafka(
    'start',
    ...['--port', '0', '--for', String(process.pid), '--brokers', String(options.brokers ?? 1)],
    ...(options.tls ? ['--tls'] : []),
    ...(options.sasl ? ['--sasl'] : []),
    ...Object.entries(options.properties ?? {}).flatMap(([key, value]) => ['--property', `${key}=${value}`]),
  )
  const which = (broker?: number): string[] => (broker === undefined ? [] : ['--broker', String(broker)])
  return {
    bootstrap: output.trim().split('\n').at(-1) ?? '',
    caPath: /^ca: (.*)$/m.exec(output)?.[1],
    kill: async (broker) => {
      await kafka('kill', ...which(broker))
    },
    restart: async (broker) => {
      await kafka('restart', ...which(broker))
    },
    stop: async () => {
      await kafka('stop')
    },
  }
}
