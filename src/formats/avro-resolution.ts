import { MillraceError } from '../common/errors.ts'
import { logicalValue } from './avro-logical-values.ts'
import { type AvroFieldNode, type AvroNode, branchName, nodeText } from './avro-node.ts'
import * as primitives from './avro-primitives.ts'
import { compile, LocalNames, quoted } from './generated-text.ts'

/** Reads one value of `bytes[start, end)`; where it ended is in `cursor` of avro-primitives. */
export type AvroRead = (bytes: Buffer, start: number, end: number) => unknown

/** A default is decoded anew for each record, so that no two records share it. */
export interface AvroReading {
  /** `long` values: numbers, and an error for one that a number does not hold exactly; or bigints. */
  readonly longs: 'number' | 'bigint'
  /** The reader is a declared type: names of types match whatever they are, and a missing nullable field is null. */
  readonly declared: boolean
}

/**
 * Generates a reader of what `writer` wrote as values of `reader` (Avro 1.12 specification, "Schema Resolution"): fields
 * by name or alias, missing ones by their defaults, numbers promoted, fields that only the writer has skipped.
 * @throws MillraceError MR_SCHEMA_INCOMPATIBLE naming the field where the one can not be read as the other
 */
export function compileAvroReader(writer: AvroNode, reader: AvroNode, reading: AvroReading): AvroRead {
  return new ReaderText(reading).compile(writer, reader)
}

class ReaderText {
  readonly #reading: AvroReading
  readonly #names = new LocalNames()
  readonly #functions: string[] = []
  /** Names of the functions of pairs of records, so that recursive ones end. */
  readonly #reads = new Map<AvroNode, Map<AvroNode, string>>()
  readonly #skips = new Map<AvroNode, string>()
  readonly #scope: Record<string, unknown> = { ...primitives, logicalValue }
  /** Names of the fields around what is being generated, for messages. */
  readonly #path: string[] = []

  constructor(reading: AvroReading) {
    this.#reading = reading
  }

  compile(writer: AvroNode, reader: AvroNode): AvroRead {
    const text = this.#read(writer, reader, 'v')
    const body = `let room=0;${this.#functions.join('\n')}
return function read(b,p,e){room=maxEmptyItems;let v;${text}
if(p>e)throw damaged();cursor.position=p;return v}`
    const read = compile<AvroRead>('avro-resolving-reader', this.#scope, body)
    return (bytes, start, end) => read(primitives.slicedBuffer(bytes), start, end)
  }

  /** Statements that read what `writer` wrote at `p` as a value of `reader` into the declared variable `x`. */
  #read(writer: AvroNode, reader: AvroNode, x: string): string {
    if (writer.kind === 'union') return this.#readWriterUnion(writer.branches, reader, x)
    if (reader.kind === 'union') {
      const branch = this.#branchFor(writer, reader.branches)
      if (branch === undefined) throw this.#mismatch(writer, reader)
      const text = this.#read(writer, branch, x)
      return reader.wrapped && branch.kind !== 'null' ? `${text}${x}={${quoted(branchName(branch))}:${x}};` : text
    }
    if (!matches(writer, reader, this.#reading.declared)) throw this.#mismatch(writer, reader)
    const text = this.#readMatching(writer, reader, x)
    const logical = 'logical' in reader ? reader.logical : undefined
    return logical === undefined ? text : `${text}${x}=logicalValue(${this.#constant(logical)},${x});`
  }

  #readMatching(writer: AvroNode, reader: AvroNode, x: string): string {
    switch (writer.kind) {
      case 'null':
        return `${x}=null;`
      case 'boolean':
        return `{const c=b[p++];if(!(c<=1))throw damaged();${x}=c===1;}`
      case 'int':
      case 'long':
        return this.#readInteger(writer.kind, reader, x)
      case 'float':
        return `if(e-p<4)throw damaged();${x}=b.readFloatLE(p);p+=4;`
      case 'double':
        return `if(e-p<8)throw damaged();${x}=b.readDoubleLE(p);p+=8;`
      case 'string':
      case 'bytes':
        return `${x}=${reader.kind === 'string' ? 'readString' : 'readBytes'}(b,p,e);p=cursor.position;`
      case 'fixed':
        return `if(e-p<${writer.size})throw damaged();${x}=copyOfBytes(b,p,p+${writer.size});p+=${writer.size};`
      case 'enum':
        return this.#readEnum(writer.symbols, reader, x)
      case 'array':
        return this.#readArray(writer.items, (reader as typeof writer).items, x)
      case 'map':
        return this.#readMap(writer.values, (reader as typeof writer).values, x)
      case 'record':
        return `${x}=${this.#recordFunction(writer, reader as typeof writer)}(b,p,e);p=cursor.position;`
      case 'union':
        throw new TypeError('unions are resolved before')
    }
  }

  #readInteger(writer: 'int' | 'long', reader: AvroNode, x: string): string {
    const asBigint = reader.kind === 'long' && this.#longIsBigint(reader)
    if (asBigint) return `${x}=readBigLong(b,p);p=cursor.position;${writer === 'int' ? `${x}=asInt(${x});` : ''}`
    const byte = this.#names.fresh('c')
    const slow = writer === 'int' ? 'readInt' : reader.kind === 'long' ? 'readSafeLong' : 'readLong'
    return `const ${byte}=b[p];if(${byte}<128){${x}=(${byte}>>1)^-(${byte}&1);p++}else{${x}=${slow}(b,p);p=cursor.position}`
  }

  #longIsBigint(reader: AvroNode): boolean {
    const logical = 'logical' in reader ? reader.logical : undefined
    return logical === undefined ? this.#reading.longs === 'bigint' : logical.name === 'timestamp-micros'
  }

  #readEnum(symbols: readonly string[], reader: AvroNode, x: string): string {
    const known = reader.kind === 'enum' ? reader : undefined
    const read = symbols.map((symbol) => (known?.symbols.includes(symbol) === true ? symbol : known?.default))
    const table = this.#constant({ symbols, read, name: known?.name ?? '' })
    return `${x}=symbolAt(${table},readLong(b,p));p=cursor.position;`
  }

  #readArray(writer: AvroNode, reader: AvroNode, x: string): string {
    const [list, item, count] = [this.#names.fresh('a'), this.#names.fresh('v'), this.#names.fresh('n')]
    const text = this.#within('[]', () => this.#read(writer, reader, item))
    const body = `for(let k=0;k<${count};k++){let ${item};{${text}}${list}.push(${item})}`
    return `const ${list}=[];${blocks(writer, count, body)}${x}=${list};`
  }

  #readMap(writer: AvroNode, reader: AvroNode, x: string): string {
    const [map, item, count, key] = ['a', 'v', 'n', 'k'].map((prefix) => this.#names.fresh(prefix)) as Quadruple
    const text = this.#within('{}', () => this.#read(writer, reader, item))
    const body = `for(let k=0;k<${count};k++){const ${key}=readString(b,p,e);p=cursor.position;let ${item};{${text}}setOwn(${map},${key},${item})}`
    return `const ${map}={};${blocks({ kind: 'string' }, count, body)}${x}=${map};`
  }

  #recordFunction(writer: RecordNode, reader: RecordNode): string {
    const ofWriter = this.#reads.get(writer) ?? new Map<AvroNode, string>()
    this.#reads.set(writer, ofWriter)
    const known = ofWriter.get(reader)
    if (known !== undefined) return known
    const name = this.#names.fresh('record')
    ofWriter.set(reader, name)
    this.#functions.push(`function ${name}(b,p,e){${this.#recordBody(writer, reader)}}`)
    return name
  }

  #recordBody(writer: RecordNode, reader: RecordNode): string {
    const locals = new Map(reader.fields.map((field) => [field, this.#names.fresh('f')]))
    const read = new Set<AvroFieldNode>()
    const reads = writer.fields.map((field) => {
      const target = reader.fields.find((candidate) => isNamed(candidate, field.name) && !read.has(candidate))
      if (target === undefined) return `{${this.#skip(field.type)}}`
      read.add(target)
      return `{${this.#within(target.name, () => this.#read(field.type, target.type, locals.get(target) as string))}}`
    })
    const defaults = reader.fields
      .filter((field) => !read.has(field))
      .map((field) => `${locals.get(field)}=${this.#within(field.name, () => this.#defaultOf(field))};`)
    const object = reader.fields.map((field) => `${quoted(field.name)}:${locals.get(field)}`)
    const declared = locals.size === 0 ? '' : `let ${[...locals.values()].join(',')};`
    return `${declared}${reads.join('\n')}
const end=p;${defaults.join('')}if(end>e)throw damaged();cursor.position=end;return{${object.join(',')}}`
  }

  #defaultOf(field: AvroFieldNode): string {
    const { defaultBytes } = field
    if (defaultBytes === undefined) {
      if (this.#reading.declared && field.type.kind === 'union') return 'null'
      throw incompatible(`${this.#place()}the writer has no such field, and it has no default`)
    }
    const read = compileAvroReader(field.type, field.type, this.#reading)
    return `${this.#constant(() => read(defaultBytes, 0, defaultBytes.length))}()`
  }

  #readWriterUnion(branches: readonly AvroNode[], reader: AvroNode, x: string): string {
    const index = this.#names.fresh('u')
    const cases = branches.map((branch, number) => {
      const text = this.#branchText(branch, reader, x)
      return `case ${number}:{${text}break}`
    })
    return `const ${index}=readLong(b,p);p=cursor.position;switch(${index}){${cases.join('')}default:throw damaged()}`
  }

  /** A branch that can not be read is an error only for values that have it. */
  #branchText(branch: AvroNode, reader: AvroNode, x: string): string {
    const readers = reader.kind === 'union' ? reader.branches : [reader]
    if (this.#branchFor(branch, readers) !== undefined) return this.#read(branch, reader, x)
    const message = `${this.#place()}the value is ${nodeText(branch)}, which can not be read as ${nodeText(reader)}`
    return `throw unreadable(${quoted(message)});`
  }

  /** The branch that is the same type, else the first that matches. */
  #branchFor(writer: AvroNode, branches: readonly AvroNode[]): AvroNode | undefined {
    const { declared } = this.#reading
    const fitting = branches.filter((branch) => matches(writer, branch, declared))
    const same = fitting.find((branch) => branch.kind === writer.kind && branchName(branch) === branchName(writer))
    return same ?? fitting.find((branch) => branch.kind === writer.kind) ?? fitting[0]
  }

  /** Statements that step over a value. */
  #skip(node: AvroNode): string {
    switch (node.kind) {
      case 'null':
        return ''
      case 'boolean':
        return 'p++;'
      case 'int':
      case 'long':
      case 'enum':
        return 'readLong(b,p);p=cursor.position;'
      case 'float':
        return 'p+=4;'
      case 'double':
        return 'p+=8;'
      case 'string':
      case 'bytes':
        return 'skipBytes(b,p,e);p=cursor.position;'
      case 'fixed':
        return `p+=${node.size};`
      case 'array':
        return this.#skipBlocks(node.items, this.#skip(node.items))
      case 'map':
        return this.#skipBlocks({ kind: 'string' }, `${this.#skip({ kind: 'string' })}${this.#skip(node.values)}`)
      case 'record':
        return `${this.#skipFunction(node)}(b,p,e);p=cursor.position;`
      case 'union': {
        const index = this.#names.fresh('u')
        const cases = node.branches.map((branch, number) => `case ${number}:{${this.#skip(branch)}break}`)
        return `const ${index}=readLong(b,p);p=cursor.position;switch(${index}){${cases.join('')}default:throw damaged()}`
      }
    }
  }

  #skipBlocks(items: AvroNode, text: string): string {
    const count = this.#names.fresh('n')
    return blocks(items, count, `for(let k=0;k<${count};k++){${text}if(p>e)throw damaged()}`)
  }

  #skipFunction(node: RecordNode): string {
    const known = this.#skips.get(node)
    if (known !== undefined) return known
    const name = this.#names.fresh('skip')
    this.#skips.set(node, name)
    const text = node.fields.map((field) => `{${this.#skip(field.type)}}`).join('')
    this.#functions.push(`function ${name}(b,p,e){${text}if(p>e)throw damaged();cursor.position=p}`)
    return name
  }

  #constant(value: unknown): string {
    const name = this.#names.fresh('constant')
    this.#scope[name] = value
    return name
  }

  #within<T>(name: string, action: () => T): T {
    this.#path.push(name)
    const result = action()
    this.#path.pop()
    return result
  }

  #place(): string {
    const path = this.#path.reduce(
      (text, name) => (/^[[{]/.test(name) || text === '' ? text + name : `${text}.${name}`),
      '',
    )
    return path === '' ? '' : `${path}: `
  }

  #mismatch(writer: AvroNode, reader: AvroNode): MillraceError {
    return incompatible(`${this.#place()}the writer's ${nodeText(writer)} can not be read as ${nodeText(reader)}`)
  }
}

type Quadruple = [string, string, string, string]
type RecordNode = Extract<AvroNode, { kind: 'record' }>

/** Blocks of items until an empty one; a negative count is followed by the block's size in bytes. */
function blocks(items: AvroNode, count: string, body: string): string {
  if (!isEmptyType(items, [])) {
    return `for(;;){const ${count}=readCount(b,p,e);p=cursor.position;if(${count}===0)break;${body}}`
  }
  // A block takes some bytes only, whatever its count, and lists may lie in lists: all of a value together have the limit.
  return `for(;;){const ${count}=readCount(b,p,e,Infinity);p=cursor.position;if(${count}===0)break;if((room-=${count})<0)throw tooManyEmptyItems();${body}}`
}

/** True where a value may take no byte at all. */
function isEmptyType(node: AvroNode, above: readonly AvroNode[]): boolean {
  if (node.kind === 'null') return true
  if (node.kind === 'fixed') return node.size === 0
  if (node.kind !== 'record' || above.includes(node)) return false
  return node.fields.every(({ type }) => isEmptyType(type, [...above, node]))
}

function isNamed(reader: { readonly name: string; readonly aliases: readonly string[] }, name: string): boolean {
  return reader.name === name || reader.aliases.includes(name)
}

function haveMatchingNames(
  writer: { readonly name: string },
  reader: { readonly name: string; readonly aliases: readonly string[] },
): boolean {
  return unqualified(writer.name) === unqualified(reader.name) || reader.aliases.includes(writer.name)
}

function unqualified(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

const promotions: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/** Whether the specification lets the two be resolved, judged by the types themselves and not by what is in them. */
function matches(writer: AvroNode, reader: AvroNode, ignoreNames: boolean): boolean {
  if (reader.kind === 'union') return reader.branches.some((branch) => matches(writer, branch, ignoreNames))
  if (writer.kind === 'union') return writer.branches.some((branch) => matches(branch, reader, ignoreNames))
  if (isDecimal(reader) && !sameScale(writer, reader)) return false
  if (writer.kind !== reader.kind) return promotions[writer.kind]?.includes(reader.kind) === true
  if (writer.kind === 'fixed' && writer.size !== (reader as typeof writer).size) return false
  if (ignoreNames || !('name' in writer)) return true
  return haveMatchingNames(writer, reader as typeof writer)
}

function isDecimal(node: AvroNode): boolean {
  return 'logical' in node && node.logical?.name === 'decimal'
}

/** Bytes of another scale would be another number. */
function sameScale(writer: AvroNode, reader: AvroNode): boolean {
  const scaleOf = (node: AvroNode) =>
    'logical' in node && node.logical?.name === 'decimal' ? node.logical.scale : undefined
  return scaleOf(writer) === undefined || scaleOf(writer) === scaleOf(reader)
}

function incompatible(why: string): MillraceError {
  return new MillraceError('MR_SCHEMA_INCOMPATIBLE', why)
}
