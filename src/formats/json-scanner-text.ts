import type { DeclaredType, RecordField, RecordType } from './data-type.ts'
import { quoted } from './generated-text.ts'
import type { JsonLayout } from './json-lexer.ts'

/*
 * Generates the text of JSON scanners. In the text: `b` are the bytes, `dv` a DataView over them, `p` the position,
 * `end` the end, `c` a byte. A scanner returns the record, or undefined where it is not certain: then JSON.parse decides.
 *
 * The caller has made sure that the last byte before `end` is `}`. No number, white space or word goes on over it, so
 * loops over those need not compare `p` with `end`; strings and literals do. So nothing outside is read.
 */

const fail = 'return undefined'
const space = 'while((c=b[p])===32||c===10||c===13||c===9)p++;'

/** True where the bytes at `p` are these: four at a time (V8 compiles getInt32 to one unaligned load). */
function isLiteral(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const parts = [`end-p>=${bytes.length}`]
  let index = 0
  for (; index + 4 <= bytes.length; index += 4)
    parts.push(`dv.getInt32(p+${index},true)===${view.getInt32(index, true)}`)
  for (; index < bytes.length; index++) parts.push(`b[p+${index}]===${bytes[index]}`)
  return parts.join('&&')
}

const literal = (text: string) => isLiteral(Buffer.from(text, 'utf8'))

/** Bit 7 of a byte of `x` is set in the result where that byte is `code`, up to the first such byte. */
const hasByte = (code: number) => {
  const spread = code * 0x01010101
  return `((x^${spread})-16843009&~(x^${spread}))`
}
/** Steps over four bytes at once, up to a quote, a backslash or a control character. */
const stepWords = (each: string) =>
  `while(end-p>=4){const x=dv.getInt32(p,true);if(((${hasByte(34)}|${hasByte(92)}|(x-538976288&~x))&-2139062144)!==0)break;${each}p+=4}`

const skipStringText = `p++;${stepWords('')}p=skipString(b,p,end);if(p<0)${fail};`

/** Statements that set `v` to the string at `p`. */
const stringText = `if(b[p]!==34)${fail};{const q=++p;let o=0;${stepWords('o|=x;')}o=(o&-2139062144)===0?0:128;
for(;;){if(p>=end)${fail};c=b[p];if(c===34){v=o<128?b.latin1Slice(q,p):b.utf8Slice(q,p);p++;break}if(c<32)${fail};
if(c===92){v=escapedStringAt(b,q,end);if(v===undefined)${fail};p=cursor.position;break}o|=c;p++}}`

/**
 * Statements that set `v` to the number at `p`. Up to 15 digits are exact as a double, and so is their quotient by a
 * power of ten up to 10^15 (both are exact, and division rounds once). Other forms go to numberAt.
 */
function numberText(kind: 'int32' | 'long' | 'double'): string {
  const other = `{v=numberAt(b,s,end);if(v!==v)${fail};p=cursor.position}`
  const fraction = `if(c===46){const f=++p;while(p-f+n<15&&(c=b[p])>=48&&c<=57){v=v*10+c-48;p++}
const k=p-f;c=b[p];if(k===0||c>=48&&c<=57||c===101||c===69)${other}else v=neg?-(v/powers[k]):v/powers[k]}else`
  // Integers: what ends the check makes −0 to 0.
  const odd = kind === 'double' ? 'c===101||c===69||c>=48&&c<=57' : 'c===46||c===101||c===69||c>=48&&c<=57'
  const check = { int32: `if((v|0)!==v)${fail};v=v|0;`, long: `if(!Number.isSafeInteger(v))${fail};v+=0;`, double: '' }
  return `{const s=p;let neg=false;if(b[p]===45){neg=true;p++}const q=p;let n=0,h=0;
while(n<9&&(c=b[p])>=48&&c<=57){h=h*10+c-48|0;n++;p++}v=h;
if(n===9){let l=0,m=1;while(n<15&&(c=b[p])>=48&&c<=57){l=l*10+c-48|0;m=m*10|0;n++;p++}v=h*m+l}
c=b[p];if(n===0||n>1&&b[q]===48)${fail};${kind === 'double' ? fraction : ''} if(${odd})${other}else v=neg?-v:v}${check[kind]}`
}

/** Powers of ten that a double holds exactly, for the text of numbers. */
export const powers = Float64Array.from({ length: 16 }, (_, exponent) => Number(`1e${exponent}`))

/** Statements that set `v` to the value of a type at `p`. `nested` is where the scanner of a nested value is found. */
function valueText(type: DeclaredType<unknown>, nested: string): string {
  switch (type.kind) {
    case 'string':
      return stringText
    case 'int32':
    case 'long':
    case 'double':
      return numberText(type.kind)
    case 'boolean':
      return `if(${literal('true')}){v=true;p+=4}else if(${literal('false')}){v=false;p+=5}else ${fail};`
    case 'bytes':
      return `${stringText}v=base64Of(v);if(v===undefined)${fail};`
    case 'nullable':
      return `if(b[p]===110){if(!(${literal('null')}))${fail};v=null;p+=4}else{${valueText(type.of, nested)}}`
    case 'record':
    case 'array':
    case 'map':
    case 'set':
      return `{const q=p;p=skipValue(b,p,end);if(p<0)${fail};v=${nested}(b,dv,q,p);if(v===undefined)${fail};}`
  }
}

const readText = (field: RecordField, index: number) =>
  `{let v;${valueText(field.type, `nested[${index}]`)}v${index}=v}`

/** A function of more slots than this is too long for V8 to optimise: then its parts are functions of their own. */
const maxSlotsInline = 24
const slotsAPart = 12

const valuesText = (type: RecordType<unknown>) => type.fields.map((_, index) => `let v${index};`).join('')

/** A part: it leaves its values in variables around it and returns the new position, or undefined as all scanners do. */
const partText = (name: string, body: string) => `function ${name}(b,dv,p,end){let c=0;${body}return p}`
const callText = (name: string) => `p=${name}(b,dv,p,end);if(p===undefined)${fail};`

const objectText = (type: RecordType<unknown>) =>
  `{${type.fields.map((field, index) => `${quoted(field.name)}:v${index}`).join(',')}}`

/**
 * The scanner of one layout: what stands between the values is compared as it is, four bytes at a time. Undefined where
 * the layout has a declared field twice, or lacks one that must be there.
 */
export function layoutScannerText(type: RecordType<unknown>, layout: JsonLayout): string | undefined {
  const indexes = new Map(type.fields.map((field, index) => [field.name, index] as const))
  const texts: string[] = []
  const missing = new Set(type.fields)
  for (const { before, name, isString } of layout.values) {
    const step = `if(!(${isLiteral(before)}))${fail};p+=${before.length};`
    const index = indexes.get(name)
    const field = index === undefined ? undefined : type.fields[index]
    if (index === undefined || field === undefined) texts.push(step + skipText(isString))
    else if (missing.delete(field)) texts.push(step + readText(field, index))
    else return undefined
  }
  for (const field of missing) {
    if (field.type.kind !== 'nullable') return undefined
    texts.push(`v${indexes.get(field.name)}=null;`)
  }
  const end = `if(end-p!==${layout.after.length}||!(${isLiteral(layout.after)}))${fail};return ${objectText(type)}`
  if (layout.values.length <= maxSlotsInline) {
    return `return function scan(b,dv,p,end){let c=0;${valuesText(type)}${texts.join('\n')}${end}}`
  }
  const parts: string[] = []
  for (let from = 0; from < texts.length; from += slotsAPart) {
    parts.push(partText(`part${parts.length}`, texts.slice(from, from + slotsAPart).join('\n')))
  }
  const calls = parts.map((_, index) => callText(`part${index}`))
  return `${valuesText(type)}${parts.join('\n')}return function scan(b,dv,p,end){${calls.join('')}${end}}`
}

/** How one layout is read into variables, for text that is fused with a scan. */
export interface ColumnScanText {
  /** Declares the variables of all fields. */
  readonly declare: string
  /** Reads from `p` to `end`: of field i `v<i>` is the value, or, of a string, the bytes [s<i>, e<i>), which are ASCII where o<i> is below 128; −1 is null. */
  readonly read: string
}

/**
 * The same scan as layoutScannerText's, of a record of scalars, without making strings or objects. Where it is not
 * certain it runs `failure`, such as a break: then a decoder decides.
 */
export function columnScanText(
  type: RecordType<unknown>,
  layout: JsonLayout,
  failure: string,
): ColumnScanText | undefined {
  const indexes = new Map(type.fields.map((field, index) => [field.name, index] as const))
  const missing = new Set(type.fields)
  const texts: string[] = []
  for (const { before, name, isString } of layout.values) {
    texts.push(`if(!(${isLiteral(before)}))${fail};p+=${before.length};`)
    const index = indexes.get(name)
    const field = index === undefined ? undefined : type.fields[index]
    if (index === undefined || field === undefined) texts.push(skipText(isString))
    else if (missing.delete(field)) texts.push(columnText(field.type, index))
    else return undefined
  }
  for (const field of missing) {
    if (field.type.kind !== 'nullable') return undefined
    const index = indexes.get(field.name)
    texts.push(field.type.of.kind === 'string' ? `s${index}=-1;` : `v${index}=null;`)
  }
  texts.push(`if(end-p!==${layout.after.length}||!(${isLiteral(layout.after)}))${fail};`)
  const declare = type.fields.map((field, index) => {
    const isText = (field.type.kind === 'nullable' ? field.type.of : field.type).kind === 'string'
    return isText ? `let s${index}=0,e${index}=0,o${index}=0;` : `let v${index};`
  })
  return { declare: declare.join(''), read: texts.join('\n').replaceAll(fail, failure) }
}

function columnText(type: DeclaredType<unknown>, index: number): string {
  if (type.kind === 'nullable') {
    const absent = type.of.kind === 'string' ? `s${index}=-1` : `v${index}=null`
    return `if(b[p]===110){if(!(${literal('null')}))${fail};${absent};p+=4}else{${columnText(type.of, index)}}`
  }
  if (type.kind !== 'string') return `{let v;${valueText(type, '')}v${index}=v}`
  return `if(b[p]!==34)${fail};{const q=++p;let o=0;${stepWords('o|=x;')}o=(o&-2139062144)===0?0:128;
for(;;){if(p>=end)${fail};c=b[p];if(c===34)break;if(c<32||c===92)${fail};o|=c;p++}s${index}=q;e${index}=p;o${index}=o;p++}`
}

function skipText(isString: boolean): string {
  const any = `p=skipValue(b,p,end);if(p<0)${fail};`
  return isString ? `if(b[p]===34){${skipStringText}}else{${any}}` : any
}

/** The scanner of any order, white space and unknown fields. Of a field that stands twice the last value counts. */
export function anyOrderScannerText(type: RecordType<unknown>): string {
  const byLength = new Map<number, number[]>()
  const names = type.fields.map((field) => Buffer.from(field.name, 'utf8'))
  for (const [index, name] of names.entries()) byLength.set(name.length, [...(byLength.get(name.length) ?? []), index])
  const choose = [...byLength].map(([length, indexes]) => {
    const tests = indexes.map((index) => `if(${nameTest(names[index] as Buffer)})f=${index};`)
    return `case ${length}:${tests.join('else ')}break;`
  })
  const wide = type.fields.length > maxSlotsInline
  const texts = type.fields.map(readText)
  const parts = wide ? texts.map((text, index) => partText(`part${index}`, text)) : []
  const reads = texts.map(
    (text, index) => `case ${index}:s${index}=true;${wide ? callText(`part${index}`) : text}break;`,
  )
  const absent = type.fields.map(
    (field, index) => `if(!s${index})${field.type.kind === 'nullable' ? `v${index}=null` : fail};`,
  )
  const values = valuesText(type)
  return `${wide ? values : ''}${parts.join('\n')}
return function scan(b,dv,p,end){let c=0;${wide ? '' : values}${type.fields.map((_, index) => `let s${index}=false;`).join('')}
${space}if(b[p]!==123)${fail};p++;${space}
if(b[p]===125)p++;else for(;;){if(b[p]!==34)${fail};const k=++p;
for(;;){if(p>=end)${fail};c=b[p];if(c===34)break;if(c===92||c<32)${fail};p++}
const l=p-k;p++;${space}if(b[p]!==58)${fail};p++;${space}
let f=-1;switch(l){${choose.join('\n')}}
switch(f){${reads.join('\n')}
default:${skipText(true)}}
${space}if(c===44){p++;${space}continue}if(c!==125)${fail};p++;break}
if(p!==end)${fail};${absent.join('')}return ${objectText(type)}}`
}

/** Compares the key at `k`, whose length is known to be the name's. */
function nameTest(name: Uint8Array): string {
  const view = new DataView(name.buffer, name.byteOffset, name.length)
  const parts: string[] = []
  let index = 0
  for (; index + 4 <= name.length; index += 4)
    parts.push(`dv.getInt32(k+${index},true)===${view.getInt32(index, true)}`)
  for (; index < name.length; index++) parts.push(`b[k+${index}]===${name[index]}`)
  return parts.length === 0 ? 'true' : parts.join('&&')
}
