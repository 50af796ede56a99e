import { expect, inject, test } from 'vitest'
import { clusterDrill } from './support/cluster-drill.ts'
import { drillSeed } from './support/drill.ts'

test('readers of committed data see each sum once though leaders and a TaskManager of the cluster are killed, and a leader is paused', async () => {
  const report = await clusterDrill({
    bootstrap: inject('kafkaBootstrap'),
    faults: ['leaderKill', 'leaderPause', 'leaderKill', 'taskManagerKill'],
    records: 350_000,
    recordsPerSecond: 10_000,
    checkpointIntervalMs: 500,
    leaseMs: 3000,
    seed: drillSeed,
    awaitsCommits: true,
    ...(process.env['DRILL_LOGS'] === undefined ? {} : { logFolder: process.env['DRILL_LOGS'] }),
  })
  const told = JSON.stringify(report, null, 1)
  expect(report, told).toMatchObject({ state: 'FINISHED', lost: 0, doubled: 0, wrong: [], missed: 0 })
  // R23: tasks run on while there is no leader.
  for (const { fault, restarts } of report.faults) if (fault !== 'taskManagerKill') expect(restarts, told).toBe(0)
})
