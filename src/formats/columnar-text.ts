import { MillraceError } from '../common/errors.ts'
import type { DeclaredType } from './data-type.ts'
import { quoted } from './generated-text.ts'

/*
 * Generates the text of the columnar codec. A batch is: one 32-bit flag a string column, padded to 8 bytes; then the
 * arrays of all columns with one element a value, wide elements first, so that each is aligned; then bitmaps of what is
 * not null; then text, bytes and nested values. Text is one byte a character where all of the column is ASCII, else two,
 * so that the place of a character is known from lengths alone and lone surrogates survive.
 */

type ArrayKind = 'Float64Array' | 'Int32Array' | 'Uint8Array'
const widths: Readonly<Record<ArrayKind, number>> = { Float64Array: 8, Int32Array: 4, Uint8Array: 1 }

/** The pieces of text that one column adds. `i` is the row, `x` its value, `r` the value of the whole row. */
interface Column {
  /** The array with one element a value, named `a<column>`. */
  readonly array: ArrayKind | undefined
  /** Encoding: before the rows. */
  readonly before: string
  /** Encoding: takes `x`, which is not null. */
  readonly put: string
  /** Encoding: after the rows, at `w.position`. */
  readonly after: string
  /** Decoding: before the rows, at `p`. */
  readonly open: string
  /** Decoding: statements that set `x`. */
  readonly get: string
}

interface Place {
  readonly column: number
  /** Number of the flag of a string column. */
  readonly flag: number
  readonly value: string
  readonly nullable: boolean
}

/** From this length on a substring keeps the whole text that it is part of (V8): such a value is copied by itself. */
const slicedLength = 13

function columnOf(type: DeclaredType<unknown>, place: Place): Column {
  const c = place.column
  const none = { before: '', after: '', open: '' }
  const set = (check: string, value = 'x') => `if(${check})fail(r);a${c}[i]=${value};`
  switch (type.kind) {
    case 'double':
      return { ...none, array: 'Float64Array', put: set(`typeof x!=='number'`), get: `x=a${c}[i];` }
    case 'long':
      return { ...none, array: 'Float64Array', put: set('!Number.isSafeInteger(x)'), get: `x=a${c}[i];` }
    case 'int32':
      return { ...none, array: 'Int32Array', put: set(`typeof x!=='number'||(x|0)!==x`), get: `x=a${c}[i];` }
    case 'boolean':
      return { ...none, array: 'Uint8Array', put: set(`typeof x!=='boolean'`, 'x?1:0'), get: `x=a${c}[i]===1;` }
    case 'string':
      return stringColumn(place)
    case 'bytes':
      return {
        array: 'Int32Array',
        before: '',
        put: set('!(x instanceof Uint8Array)', 'x.length'),
        after: rows(`if(a${c}[i]>0)w.writeBytes(${place.value});`),
        open: `let p${c}=p;for(let i=0;i<n;i++)p+=a${c}[i];`,
        get: `x=copyOfBytes(b,p${c},p${c}+=a${c}[i]);`,
      }
    case 'array':
    case 'map':
    case 'set':
    case 'record':
      return nestedColumn(place)
    case 'nullable':
      throw new MillraceError('MR_INTERNAL', 'A column of nullable values is told from its values before.')
  }
}

const rows = (text: string) => `for(let i=0;i<n;i++){const r=v[i];${text}}`

function stringColumn({ column: c, flag }: Place): Column {
  const short = `t${c}.substring(q${c},e)`
  const long = `(f${c}===1?b.ucs2Slice(p${c}+2*q${c},p${c}+2*e):b.latin1Slice(p${c}+q${c},p${c}+e))`
  return {
    array: 'Int32Array',
    before: `let t${c}='';`,
    put: `if(typeof x!=='string')fail(r);t${c}+=x;a${c}[i]=x.length;`,
    // Not through \`flags\`: the writer may have got another buffer since.
    after: `{const f=writeColumnText(w,t${c});w.bytes[${flag * 4}]=f}`,
    open: `const f${c}=flags[${flag}],p${c}=p;let q${c}=0;{let l=0;for(let i=0;i<n;i++)l+=a${c}[i];p+=f${c}===1?2*l:l}
const t${c}=f${c}===1?b.ucs2Slice(p${c},p):b.latin1Slice(p${c},p);`,
    get: `{const l=a${c}[i],e=q${c}+l;x=l<${slicedLength}?${short}:${long};q${c}=e}`,
  }
}

/** Records, arrays, maps and sets inside of a record: Avro's binary encoding, one value after another. */
function nestedColumn({ column: c, value, nullable }: Place): Column {
  // The codec names the field within its value only: `fail` names it within the row.
  const write = `try{codecs[${c}].write(w,x)}catch{fail(r)}`
  return {
    array: undefined,
    before: '',
    // Checked when it is written, after the rows.
    put: '',
    after: rows(`const x=${value};${nullable ? `if(x!==null&&x!==undefined){${write}}` : write}`),
    open: `let g${c}=readNested(codecs[${c}],{bytes:b,start:p,count:n,mask:${nullable ? `m${c}` : 'undefined'}});p=cursor.position;`,
    get: `x=g${c}[i];`,
  }
}

interface Layout {
  readonly type: DeclaredType<unknown>
  readonly columns: readonly (Column & Place)[]
  readonly flags: number
}

/** The columns of a type: a record's fields, or the value itself. */
export function columnTypes(type: DeclaredType<unknown>): readonly DeclaredType<unknown>[] {
  return type.kind === 'record' ? type.fields.map((field) => field.type) : [type]
}

function layoutOf(type: DeclaredType<unknown>): Layout {
  let flags = 0
  const columns = columnTypes(type).map((columnType, column) => {
    const nullable = columnType.kind === 'nullable'
    const of = nullable ? columnType.of : columnType
    const value = type.kind === 'record' ? `r[${quoted(type.fields[column]?.name ?? '')}]` : 'r'
    const place = { column, value, nullable, flag: of.kind === 'string' ? flags++ : -1 }
    return { ...columnOf(of, place), ...place }
  })
  return { type, columns, flags }
}

/** Declares the arrays over `buffer` from byte `start` on, and leaves `o` past them. */
function arraysText({ columns, flags }: Layout, buffer: string, start: string): string {
  const header = (flags * 4 + 7) & ~7
  const texts = [`const flags=new Int32Array(${buffer},${start},${header / 4});let o=${start}+${header};`]
  for (const kind of ['Float64Array', 'Int32Array', 'Uint8Array'] as const) {
    for (const { array, column } of columns) {
      if (array !== kind) continue
      texts.push(`const a${column}=new ${kind}(${buffer},o,n);o+=n*${widths[kind]};`)
    }
  }
  for (const { nullable, column } of columns) {
    if (nullable) texts.push(`const m${column}=new Uint8Array(${buffer},o,(n+7)>>3);o+=(n+7)>>3;`)
  }
  return texts.join('\n')
}

function sizeText({ columns, flags }: Layout): string {
  const perRow = columns.reduce((sum, { array }) => sum + (array === undefined ? 0 : widths[array]), 0)
  const bitmaps = columns.filter(({ nullable }) => nullable).length
  return `${(flags * 4 + 7) & ~7}+n*${perRow}+((n+7)>>3)*${bitmaps}`
}

/** The body of `encode(v, n)`. */
export function encodeText(type: DeclaredType<unknown>): string {
  const layout = layoutOf(type)
  const puts = layout.columns.map(({ column, nullable, value, put, array }) => {
    if (!nullable) return put === '' ? '' : `{const x=${value};${put}}`
    const clear = array === undefined ? '' : `a${column}[i]=0;`
    return `{const x=${value};if(x===null||x===undefined){${clear}}else{m${column}[i>>3]|=1<<(i&7);${put}}}`
  })
  const masks = layout.columns.filter(({ nullable }) => nullable).map(({ column }) => `m${column}.fill(0);`)
  const check = type.kind === 'record' ? `if(typeof r!=='object'||r===null)fail(r);` : ''
  return `return function encode(v,n){w.position=0;w.ensure(${sizeText(layout)});
const ab=w.bytes.buffer;${arraysText(layout, 'ab', '0')}
flags.fill(0);${masks.join('')}${layout.columns.map(({ before }) => before).join('')}
for(let i=0;i<n;i++){const r=v[i];${check}${puts.join('\n')}}
w.position=o;${layout.columns.map(({ after }) => after).join('\n')}
return w.bytes.subarray(0,w.position)}`
}

/** The body of `decode(b, n)`, for bytes that begin at a multiple of 8. */
export function decodeText(type: DeclaredType<unknown>): string {
  const layout = layoutOf(type)
  const gets = layout.columns.map(({ column, nullable, get }) => {
    const present = nullable ? `if((m${column}[i>>3]&1<<(i&7))===0)x=null;else{${get}}` : get
    return `let x${column};{let x;${present}x${column}=x}`
  })
  const value =
    type.kind === 'record'
      ? `{${type.fields.map((field, column) => `${quoted(field.name)}:x${column}`).join(',')}}`
      : 'x0'
  return `return function decode(b,n){const e=b.length,ab=b.buffer,s=b.byteOffset;
${arraysText(layout, 'ab', 's')}
let p=o-s;${layout.columns.map(({ open }) => open).join('\n')}
if(p!==e)throw damaged();
const values=new Array(n);for(let i=0;i<n;i++){${gets.join('\n')}values[i]=${value}}
return values}`
}
