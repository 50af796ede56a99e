import { posix } from 'node:path'
import type { SourceFile } from './source-file.ts'
import type { Violation } from './source-rules.ts'

/** What each folder of src may load from the others. Arrows point one way; nothing loads cli. */
const mayLoad: Readonly<Record<string, readonly string[]>> = {
  common: [],
  config: ['common'],
  redis: ['common'],
  metrics: ['common'],
  formats: ['common'],
  state: ['common', 'formats', 'redis'],
  columns: ['common', 'formats', 'state'],
  graph: ['common', 'state', 'formats', 'columns'],
  // DataStream.print() is the one connector that the API brings along, as in Flink.
  api: ['common', 'graph', 'state', 'formats', 'columns', 'connectors/print'],
  'connectors/print': ['common'],
  coordinator: ['common', 'graph', 'state'],
  task: ['common', 'graph', 'state', 'formats', 'columns'],
  // The frames and ports of slots, which it carries on.
  network: ['common', 'task'],
  'actors/runtime': ['common', 'actors/transport'],
  'actors/transport': ['common', 'redis', 'actors/runtime'],
  'actors/election': ['common', 'redis', 'coordinator'],
  actors: ['common', 'coordinator', 'task', 'network', 'graph', 'state', 'actors/runtime', 'actors/transport'],
  connectors: ['common', 'config', 'api', 'graph', 'state', 'formats'],
  rest: ['common', 'config', 'coordinator', 'graph', 'state', 'actors'],
  // Puts the processes of a cluster together.
  deploy: [
    ...['common', 'config', 'redis', 'network', 'state', 'graph', 'api', 'coordinator', 'task', 'connectors'],
    ...['actors', 'actors/runtime', 'actors/transport', 'actors/election', 'rest'],
  ],
  testing: [
    ...['common', 'config', 'metrics', 'formats', 'state', 'graph', 'api', 'coordinator', 'task', 'connectors'],
    ...['actors', 'actors/runtime', 'actors/transport'],
  ],
}

/** The contracts between folders: their types may be named anywhere, which loads nothing. */
const contracts = [
  /^src\/(?:api|graph)\//,
  /^src\/coordinator\/control-store\.ts$/,
  /^src\/formats\/(?:data-type|format)\.ts$/,
  /^src\/redis\/redis-options\.ts$/,
  /^src\/state\/(?:blob-store|checkpoint-record|checkpoint-store)\.ts$/,
  /^src\/task\/(?:operator|slot-host|slot-protocol)\.ts$/,
]

/** `src/actors/runtime/mailbox.ts` → `actors/runtime`; files of src itself belong to no folder. */
function folderOf(path: string): string | undefined {
  const [, folder, inner] = path.split('/')
  if (folder === undefined || folder.endsWith('.ts')) return undefined
  const nested = `${folder}/${inner}`
  return nested in mayLoad ? nested : folder
}

export function directionViolations(file: SourceFile): Violation[] {
  const violations: Violation[] = []
  for (const { specifier, typeOnly, line } of file.imports) {
    if (!specifier.startsWith('.')) continue
    const target = posix.join(posix.dirname(file.path), specifier)
    if (isAllowed(file.path, target, typeOnly)) continue
    violations.push({ rule: 'direction', path: file.path, line, message: `imports ${target}` })
  }
  return violations
}

function isAllowed(path: string, target: string, typeOnly: boolean): boolean {
  const from = folderOf(path)
  const to = folderOf(target)
  if (from === to || from === 'cli') return true
  if (to === undefined || to === 'cli') return false
  if (from === undefined || mayLoad[from]?.includes(to)) return true
  return typeOnly && contracts.some((contract) => contract.test(target))
}
