import { basename } from 'node:path'
import { directionViolations } from './import-directions.ts'
import {
  identifierName,
  isNode,
  parseSource,
  type SourceFile,
  type SourceNode,
  type SourceText,
} from './source-file.ts'

export type Violation = {
  readonly rule: 'file length' | 'function length' | 'name' | 'direction' | 'port' | 'environment' | 'kafkajs'
  readonly path: string
  readonly line: number
  readonly message: string
}

const maxFileLines = 400
const maxFunctionLines = 70

/** All violations in these files. Pure: the test reads the folder, and plants violations of its own. */
export function violationsIn(texts: readonly SourceText[]): Violation[] {
  const files = texts.map(parseSource)
  return [
    ...files.flatMap((file) => [
      ...fileLengthViolations(file),
      ...functionLengthViolations(file),
      ...nameViolations(file),
      ...directionViolations(file),
      ...portViolations(file),
      ...environmentViolations(file),
    ]),
    ...kafkajsViolations(files),
  ]
}

function fileLengthViolations({ path, lines }: SourceFile): Violation[] {
  if (lines.length <= maxFileLines) return []
  return [{ rule: 'file length', path, line: maxFileLines, message: `${lines.length} lines` }]
}

const functionTypes = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']

function functionLengthViolations(file: SourceFile): Violation[] {
  const violations: Violation[] = []
  file.visit((node) => {
    if (!functionTypes.includes(node.type)) return
    const length = file.text.slice(node.start, node.end).split(/\n\s*/).filter(Boolean).length
    if (length > maxFunctionLines) {
      violations.push({ rule: 'function length', path: file.path, line: file.lineOf(node), message: `${length} lines` })
    }
  })
  return violations
}

// ---- names ----

const bannedEndings = /(?:Factory|Impl|Utils?|Helpers?)$/
const bannedTypeBeginnings = /^(?:Abstract|Default)[A-Z]/
/** Flink has these, and users know them by these names. */
const managers = /(?:^|[a-z])(?:job|task|resource)manager$/i

function isBannedName(name: string): boolean {
  return bannedEndings.test(name) || bannedTypeBeginnings.test(name) || (/Manager$/.test(name) && !managers.test(name))
}

function nameViolations(file: SourceFile): Violation[] {
  const violations: Violation[] = []
  const words = basename(file.path, '.ts').split(/[-.]/)
  const fileName = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
  if (isBannedName(fileName)) violations.push({ rule: 'name', path: file.path, line: 1, message: `file ${fileName}` })
  file.visit((node, parents) => {
    const name = identifierName(node)
    if (name !== undefined && isBannedName(name) && isDeclared(node, parents.at(-1))) {
      violations.push({ rule: 'name', path: file.path, line: file.lineOf(node), message: name })
    }
  })
  return violations
}

function isDeclared(node: SourceNode, parent: SourceNode | undefined): boolean {
  if (parent === undefined) return false
  if (parent['id'] === node) return true
  if (Array.isArray(parent['params']) && parent['params'].includes(node)) return true
  return parent['key'] === node && parent.type !== 'Property'
}

// ---- clock, randomness, yielding ----

const portImplementation = 'src/common/system-ports.ts'
const bannedGlobals = ['setTimeout', 'setInterval', 'setImmediate', 'performance', 'queueMicrotask']
const bannedMembers = ['Date.now', 'Math.random', 'process.hrtime', 'process.nextTick', 'process.uptime']
const bannedCrypto = ['randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync', 'getRandomValues']
const bannedModules = ['nanoid', 'timers', 'timers/promises', 'perf_hooks']

/** The few places that may do what the ports are for, and why. */
const portExceptions: readonly { readonly path: string; readonly use: string; readonly why: string }[] = [
  { path: 'src/task/turn.ts', use: 'setImmediate', why: 'the one way in which a slot yields to its sockets' },
]

function portViolations(file: SourceFile): Violation[] {
  if (file.path === portImplementation) return []
  const uses: { use: string; line: number }[] = []
  for (const { specifier, typeOnly, names, line } of file.imports) {
    if (typeOnly) continue
    if (bannedModules.includes(specifier.replace(/^node:/, ''))) uses.push({ use: specifier, line })
    for (const name of names) if (bannedCrypto.includes(name)) uses.push({ use: name, line })
  }
  file.visit((node, parents) => {
    const use = bannedUse(node, parents.at(-1))
    if (use !== undefined) uses.push({ use, line: file.lineOf(node) })
  })
  return uses
    .filter(({ use }) => !portExceptions.some((exception) => exception.path === file.path && exception.use === use))
    .map(({ use, line }) => ({ rule: 'port', path: file.path, line, message: `${use}: use the ports` }))
}

function bannedUse(node: SourceNode, parent: SourceNode | undefined): string | undefined {
  if (node.type === 'MemberExpression') {
    const property = identifierName(node['property']) ?? ''
    const member = `${identifierName(node['object'])}.${property}`
    if (member.startsWith('globalThis.') && bannedGlobals.includes(property)) return property
    return bannedMembers.includes(member) || bannedCrypto.includes(property) ? member : undefined
  }
  const callee = identifierName(node['callee'])
  const hasArguments = Array.isArray(node['arguments']) && node['arguments'].length > 0
  if (callee === 'Date' && (node.type === 'CallExpression' || !hasArguments)) return 'new Date()'
  const name = identifierName(node)
  return name !== undefined && bannedGlobals.includes(name) && isReference(node, parent) ? name : undefined
}

/** Not the name of a member, of a type, or of a declaration. */
function isReference(node: SourceNode, parent: SourceNode | undefined): boolean {
  if (parent === undefined || parent.type.startsWith('TS')) return false
  if (parent['property'] === node) return parent['computed'] === true
  if (parent['key'] === node) return parent['shorthand'] === true
  return !isDeclared(node, parent)
}

// ---- the environment, kafkajs ----

function environmentViolations(file: SourceFile): Violation[] {
  if (/^src\/(?:config|cli)\//.test(file.path)) return []
  const violations: Violation[] = []
  file.visit((node) => {
    if (node.type !== 'MemberExpression' || identifierName(node['property']) !== 'env') return
    const object = node['object']
    const owner = identifierName(object) ?? (isNode(object) ? identifierName(object['property']) : undefined)
    if (owner !== 'process') return
    violations.push({ rule: 'environment', path: file.path, line: file.lineOf(node), message: 'process.env' })
  })
  for (const { specifier, names, line } of file.imports) {
    if (/^(?:node:)?process$/.test(specifier) && names.includes('env')) {
      violations.push({ rule: 'environment', path: file.path, line, message: 'env of node:process' })
    }
  }
  return violations
}

/** kafkajs's private API (deep imports, its symbols) changes without notice: one file knows it, and its version is pinned. */
function kafkajsViolations(files: readonly SourceFile[]): Violation[] {
  const uses = files.flatMap(({ path, text, imports }) => {
    const deep = imports.find(({ specifier }) => specifier.startsWith('kafkajs/'))
    if (deep !== undefined) return [{ path, line: deep.line }]
    const at = text.search(/getOwnPropertySymbols|private:Kafka|require\(\s*['"`]kafkajs\//)
    return at < 0 ? [] : [{ path, line: text.slice(0, at).split('\n').length }]
  })
  if (uses.length <= 1) return []
  const where = uses.map(({ path }) => path).join(', ')
  return uses.map(({ path, line }) => ({ rule: 'kafkajs', path, line, message: `private kafkajs API in ${where}` }))
}
