import type { RecordColumn } from '../api/sink.ts'
import type { RecordField, RecordType } from '../formats/data-type.ts'
import { quoted } from '../formats/generated-text.ts'
import { withoutNull } from './check-expression.ts'
import { columnRows } from './column-batch.ts'
import type { BytesScript, ValueScript } from './expression-script.ts'
import { TextColumn } from './text-column.ts'

/** A result in generated text; of a key's text its bytes are there, too. */
export interface Defined extends ValueScript {
  readonly bytes?: BytesScript
}

/** Where results are found when they are passed on. */
export interface Results {
  readonly record: RecordType<unknown>
  field(name: string): Defined
}

/** The pieces of text that pass results on: before the function, before and in and after the loop. */
export interface Output {
  readonly scope: Readonly<Record<string, unknown>>
  readonly before: string
  readonly open: string
  readonly put: string
  readonly close: string
}

export function objectOutput(results: Results): Output {
  const fields = results.record.fields.map(({ name }) => `${quoted(name)}:${results.field(name).text}`)
  return {
    scope: {},
    before: '',
    open: '',
    put: `target.processElement({${fields.join()}},timestamps[i]);`,
    close: '',
  }
}

/** Results of a batch are put into columns, which are handed over behind the loop. */
export function columnOutput(results: Results): Output {
  const parts = results.record.fields.map((field, index) => partOf(field, results.field(field.name), index))
  const joined = (piece: 'before' | 'open' | 'put' | 'close'): string => parts.map((part) => part[piece]).join('')
  return {
    scope: {
      columns: parts.map(({ column }) => column),
      texts: parts.map(() => new TextColumn()),
      stamps: new Float64Array(columnRows),
    },
    before: joined('before'),
    open: joined('open'),
    put: `stamps[m]=timestamps[i];${joined('put')}`,
    close: `${joined('close')}\nif(m>0)target.processRecordColumns({count:m,timestamps:stamps,columns});`,
  }
}

interface OutputPart extends Omit<Output, 'scope'> {
  readonly column: RecordColumn
}

function partOf({ name, type }: RecordField, value: Defined, index: number): OutputPart {
  const nulls = value.nullable ? new Uint8Array(columnRows) : undefined
  const { kind } = withoutNull(type)
  if (kind !== 'string') {
    const values = new Float64Array(columnRows)
    return numberPart({ kind: kind === 'boolean' ? 'boolean' : 'number', name, values, nulls }, value, index)
  }
  const [starts, ends] = [new Int32Array(columnRows), new Int32Array(columnRows)]
  const column: RecordColumn = { kind, name, bytes: Buffer.alloc(0), starts, ends, nulls }
  return value.bytes === undefined ? textPart(column, value, index) : bytesPart(column, value.bytes, index)
}

function numberPart(column: RecordColumn, { text, nullable }: Defined, index: number): OutputPart {
  const c = `c${index}`
  return {
    column,
    before: `const ${c}v=columns[${index}].values${nullable ? `,${c}n=columns[${index}].nulls` : ''};`,
    open: '',
    put: nullable ? `{const x=${text};${c}n[m]=x===null?1:0;${c}v[m]=x}` : `${c}v[m]=${text};`,
    close: '',
  }
}

/** Of a text that an operation has made. */
function textPart(column: RecordColumn, { text, nullable }: Defined, index: number): OutputPart {
  const c = `c${index}`
  const add = nullable ? `${c}n[m]=x===null?1:0;if(x!==null)${c}t.add(x);` : `${c}t.add(x);`
  return {
    column,
    before: `${rangesText(index)}const ${c}t=texts[${index}]${nullable ? `,${c}n=columns[${index}].nulls` : ''};`,
    open: `${c}t.clear();`,
    put: `{const x=${text};${c}s[m]=${c}t.end;${add}${c}e[m]=${c}t.end}`,
    close: `columns[${index}].bytes=${c}t.bytes;`,
  }
}

/** Of a key: it stays where the batch has it. */
function bytesPart(column: RecordColumn, { start, end }: BytesScript, index: number): OutputPart {
  const c = `c${index}`
  const put = `${c}s[m]=${start};${c}e[m]=${end};`
  return { column, before: rangesText(index), open: '', put, close: `columns[${index}].bytes=b;` }
}

function rangesText(index: number): string {
  return `const c${index}s=columns[${index}].starts,c${index}e=columns[${index}].ends;`
}
