import * as primitives from './avro-primitives.ts'
import type { DeclaredType } from './data-type.ts'
import { type LocalNames, quoted } from './generated-text.ts'

/*
 * Generates the text that writes and reads values of a declared type in Avro's binary encoding (Avro 1.12
 * specification, "Binary encoding"). In the text: `w` is the ByteWriter, `b` its buffer or the bytes that are read, `p`
 * the position, `e` the end, and `fail()` throws what is wrong with the value.
 */

/** What generated Avro text calls. */
export const avroScope = { ...primitives }

const ensure = (length: number) => `if(b.length-p<${length}){w.ensure(p-w.position+${length});b=w.bytes}`

/** Statements that append the value of the expression `x` (a local name) at `p`. */
export function writeText(type: DeclaredType<unknown>, x: string, names: LocalNames): string {
  switch (type.kind) {
    case 'string':
      return `if(typeof ${x}!=='string')fail();p=writeString(w,p,${x});b=w.bytes;`
    case 'bytes':
      return `if(!(${x} instanceof Uint8Array))fail();p=writeBytes(w,p,${x});b=w.bytes;`
    case 'int32':
      return `if(typeof ${x}!=='number'||(${x}|0)!==${x})fail();${ensure(5)}${writeIntText(x, names)}`
    case 'long':
      return `if(typeof ${x}!=='number')fail();${ensure(10)}if((${x}|0)===${x}){${writeIntText(x, names)}}else{if(!Number.isSafeInteger(${x}))fail();p=writeLong(b,p,${x})}`
    case 'double':
      return `if(typeof ${x}!=='number')fail();${ensure(8)}b.writeDoubleLE(${x},p);p+=8;`
    case 'boolean':
      return `if(typeof ${x}!=='boolean')fail();${ensure(1)}b[p++]=${x}?1:0;`
    case 'nullable':
      return `${ensure(1)}if(${x}===null||${x}===undefined)b[p++]=0;else{b[p++]=2;${writeText(type.of, x, names)}}`
    case 'array': {
      const [index, item] = [names.fresh('i'), names.fresh('x')]
      const items = `for(let ${index}=0;${index}<${x}.length;${index}++){const ${item}=${x}[${index}];${writeText(type.items, item, names)}}`
      return `if(!Array.isArray(${x}))fail();if(${x}.length>0){${ensure(10)}p=writeLong(b,p,${x}.length);${items}}${ensure(1)}b[p++]=0;`
    }
    case 'map': {
      const [key, value] = [names.fresh('x'), names.fresh('x')]
      const entry = `${writeText(type.key, key, names)}${writeText(type.value, value, names)}`
      return writeBlockText(x, { kind: 'Map', each: `const [${key},${value}]`, item: entry })
    }
    case 'set': {
      const item = names.fresh('x')
      return writeBlockText(x, { kind: 'Set', each: `const ${item}`, item: writeText(type.items, item, names) })
    }
    case 'record': {
      const fields = type.fields.map((field) => {
        const local = names.fresh('x')
        return `{const ${local}=${x}[${quoted(field.name)}];${writeText(field.type, local, names)}}`
      })
      return `if(typeof ${x}!=='object'||${x}===null)fail();${fields.join('\n')}`
    }
  }
}

/** One block with all items of a Map or Set, then the empty one. */
function writeBlockText(x: string, { kind, each, item }: { kind: string; each: string; item: string }): string {
  const items = `${ensure(10)}p=writeLong(b,p,${x}.size);for(${each} of ${x}){${item}}`
  return `if(!(${x} instanceof ${kind}))fail();if(${x}.size>0){${items}}${ensure(1)}b[p++]=0;`
}

function writeIntText(x: string, names: LocalNames): string {
  const rest = names.fresh('z')
  return `let ${rest}=(${x}<<1)^(${x}>>31);while((${rest}&-128)!==0){b[p++]=${rest}&127|128;${rest}>>>=7}b[p++]=${rest};`
}

/** Statements that read a value at `p` into the declared variable `x`. */
export function readText(type: DeclaredType<unknown>, x: string, names: LocalNames): string {
  switch (type.kind) {
    case 'string':
      return `${x}=readString(b,p,e);p=cursor.position;`
    case 'bytes':
      return `${x}=readBytes(b,p,e);p=cursor.position;`
    case 'int32':
    case 'long': {
      const byte = names.fresh('c')
      return `const ${byte}=b[p];if(${byte}<128){${x}=(${byte}>>1)^-(${byte}&1);p++}else{${x}=${type.kind === 'int32' ? 'readInt' : 'readSafeLong'}(b,p);p=cursor.position}`
    }
    case 'double':
      return `if(e-p<8)throw damaged();${x}=b.readDoubleLE(p);p+=8;`
    case 'boolean':
      return `if(!(b[p]<=1))throw damaged();${x}=b[p++]===1;`
    case 'nullable':
      return `if(b[p]===0){p++;${x}=null}else{if(b[p++]!==2)throw damaged();${readText(type.of, x, names)}}`
    case 'array':
      return readArrayText(type.items, x, names)
    case 'map': {
      const [key, value] = [names.fresh('v'), names.fresh('v')]
      const entry = `let ${key};{${readText(type.key, key, names)}}let ${value};{${readText(type.value, value, names)}}`
      return readBlocksText(x, { into: 'new Map()', item: (map) => `${entry}${map}.set(${key},${value})` }, names)
    }
    case 'set': {
      const item = names.fresh('v')
      const read = `let ${item};{${readText(type.items, item, names)}}`
      return readBlocksText(x, { into: 'new Set()', item: (set) => `${read}${set}.add(${item})` }, names)
    }
    case 'record': {
      const locals = type.fields.map((field) => ({ field, local: names.fresh('v') }))
      const reads = locals.map(({ field, local }) => `let ${local};{${readText(field.type, local, names)}}`)
      const object = locals.map(({ field, local }) => `${quoted(field.name)}:${local}`)
      return `${reads.join('\n')}${x}={${object.join(',')}};`
    }
  }
}

function readArrayText(items: DeclaredType<unknown>, x: string, names: LocalNames): string {
  const item = names.fresh('v')
  const read = `let ${item};{${readText(items, item, names)}}`
  return readBlocksText(x, { into: '[]', item: (list) => `${read}${list}.push(${item})` }, names)
}

interface Blocks {
  /** The empty collection. */
  readonly into: string
  /** Statements that read an item and add it to the named collection. */
  item(collection: string): string
}

/** Blocks of items until an empty one; a negative count is followed by the block's size in bytes. */
function readBlocksText(x: string, { into, item }: Blocks, names: LocalNames): string {
  const [count, all] = [names.fresh('n'), names.fresh('a')]
  const block = `for(let k=0;k<${count};k++){${item(all)}}`
  return `const ${all}=${into};for(;;){const ${count}=readCount(b,p,e);p=cursor.position;if(${count}===0)break;${block}}${x}=${all};`
}
