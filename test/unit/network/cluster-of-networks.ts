import { onTestFinished } from 'vitest'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { DataNetwork, type DataNetworkOptions } from '../../../src/network/data-network.ts'
import type { NetworkOfTaskManager } from '../actors/inline-cluster.ts'

export interface TestNetwork extends NetworkOfTaskManager {
  readonly network: DataNetwork
}

export async function listen(taskManager: string, changes: Partial<DataNetworkOptions> = {}): Promise<DataNetwork> {
  const network = await DataNetwork.listen({
    taskManager,
    secret: 'the secret of the tests',
    host: '127.0.0.1',
    port: 0,
    clock: systemPorts.clock,
    ids: systemPorts.ids,
    logger: silentLogger,
    ...changes,
  })
  onTestFinished(() => network.close())
  return network
}

/** Networks of TaskManagers a, b, c … on loopback. */
export async function listenAll(count: number, changes: Partial<DataNetworkOptions> = {}): Promise<TestNetwork[]> {
  const names = Array.from({ length: count }, (_, index) => `task-manager/${String.fromCharCode(97 + index)}`)
  return Promise.all(names.map(async (taskManager) => ({ taskManager, network: await listen(taskManager, changes) })))
}
