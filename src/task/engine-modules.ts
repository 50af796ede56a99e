import { registerHooks } from 'node:module'
import { workerUrl } from '../common/worker-url.ts'

/** Entry points that a job may import, and where they are in the running engine. */
const entryPoints: ReadonlyMap<string, string> = new Map([
  ['millrace', '../index'],
  ['millrace/kafka', '../connectors/kafka/index'],
  ['millrace/formats', '../formats/index'],
  ['millrace/filesystem', '../connectors/filesystem/index'],
  ['millrace/redis', '../connectors/redis/index'],
  ['millrace/testing', '../testing/index'],
])

/** What a job may import of the engine. */
export const engineEntryPoints: readonly string[] = [...entryPoints.keys()]

let registered = false

/**
 * Makes `millrace` in a job's bundle mean the running engine, wherever the bundle lies (R40). Hooks are per thread: each
 * slot's thread calls it once, before it imports the bundle.
 */
function resolveEngineModules(): void {
  if (registered) return
  registered = true
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const entryPoint = entryPoints.get(specifier)
      if (entryPoint === undefined) return nextResolve(specifier, context)
      return { url: workerUrl(entryPoint, import.meta.url).href, shortCircuit: true }
    },
  })
}

/** Imports a bundle; what its default export is, is checked by the caller. */
export async function importBundle(bundleUrl: string): Promise<unknown> {
  resolveEngineModules()
  const module = (await import(bundleUrl)) as { readonly default?: unknown }
  return module.default
}
