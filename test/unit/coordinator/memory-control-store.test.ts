import { MemoryControlPlane, MemoryControlStore } from '../../../src/coordinator/memory-control-store.ts'
import { controlStoreConformance } from './control-store-conformance.ts'

controlStoreConformance(async () => {
  const plane = new MemoryControlPlane()
  return {
    lead: async (token) => {
      plane.leader = token
    },
    storeOf: (authority) => new MemoryControlStore(plane, authority),
    loseData: async () => {
      for (const lost of [plane.jobs, plane.taskManagers, plane.bundles]) lost.clear()
    },
  }
})
