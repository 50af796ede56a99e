import { parseAst } from 'vitest/node'

/** A file as the rules see it; `path` is relative to the project's folder, such as `src/task/turn.ts`. */
export type SourceText = { readonly path: string; readonly text: string }

export type SourceNode = { readonly type: string; readonly start: number; readonly end: number } & {
  readonly [key: string]: unknown
}

export type Import = {
  readonly specifier: string
  /** Nothing is loaded for it when the program runs. */
  readonly typeOnly: boolean
  readonly names: readonly string[]
  readonly line: number
}

export type SourceFile = SourceText & {
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  /** Calls back for every node with its parents, the nearest last. */
  readonly visit: (visitor: (node: SourceNode, parents: readonly SourceNode[]) => void) => void
  readonly lineOf: (node: SourceNode) => number
}

export function isNode(value: unknown): value is SourceNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** The name of an identifier, or undefined for any other node. */
export function identifierName(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Identifier' ? String(node['name']) : undefined
}

export function parseSource({ path, text }: SourceText): SourceFile {
  const root: unknown = parseAst(text, { lang: 'ts' })
  if (!isNode(root)) throw new Error(`${path} has no syntax tree`)
  const lineOf = (node: SourceNode): number => text.slice(0, node.start).split('\n').length
  const visit: SourceFile['visit'] = (visitor) => visitNode(root, [], visitor)
  const imports: Import[] = []
  visit((node) => {
    const found = importOf(node)
    if (found !== undefined) imports.push({ ...found, line: lineOf(node) })
  })
  return { path, text, lines: text.trimEnd().split('\n'), imports, visit, lineOf }
}

function visitNode(node: SourceNode, parents: SourceNode[], visitor: Parameters<SourceFile['visit']>[0]): void {
  visitor(node, parents)
  parents.push(node)
  for (const child of Object.values(node).flat()) if (isNode(child)) visitNode(child, parents, visitor)
  parents.pop()
}

function importOf(node: SourceNode): Omit<Import, 'line'> | undefined {
  const source = node['source']
  if (!isNode(source) || typeof source['value'] !== 'string') return undefined
  const specifier = source['value']
  const parts = Array.isArray(node['specifiers']) ? node['specifiers'].filter(isNode) : []
  const names = parts.map((part) => identifierName(part['imported'] ?? part['local']) ?? '')
  const typeOnly =
    node.type === 'TSImportType' ||
    node['importKind'] === 'type' ||
    node['exportKind'] === 'type' ||
    (parts.length > 0 && parts.every((part) => part['importKind'] === 'type' || part['exportKind'] === 'type'))
  return { specifier, typeOnly, names }
}
