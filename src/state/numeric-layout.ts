import { MillraceError } from '../common/errors.ts'
import { problemOf } from '../formats/check-value.ts'
import type { DataType, DeclaredType, RecordField } from '../formats/data-type.ts'
import { compile, quoted } from '../formats/generated-text.ts'
import { Stamped } from './time-to-live.ts'

/** How values of one type lie in columns of doubles. */
export interface NumericLayout {
  /** Doubles a value. */
  readonly width: number
  /** A fresh value. */
  read(columns: Float64Array, base: number): unknown
  /** @throws MillraceError MR_STATE_TYPE naming the field, where the value does not fit the type; nothing is written then */
  write(columns: Float64Array, base: number, value: unknown): void
  /** Records only: a view that can be moved from value to value; undefined for scalars. */
  createView(): NumericView | undefined
}

/** A record that reads and writes through to columns. */
export interface NumericView {
  /** Its fields are own, enumerable accessors: it can be spread, and a setter refuses what does not fit. */
  readonly record: object
  move(columns: Float64Array, base: number): void
}

/** The layout of a record of numbers and booleans, or of one of these; undefined: this type can not lie in columns. */
export function numericLayoutOf(type: DataType<unknown>): NumericLayout | undefined {
  if (isNumeric(type.kind)) return scalarLayout(type as DeclaredType<unknown>)
  if (type.kind !== 'record' || type.fields.length === 0) return undefined
  return type.fields.every((field) => isNumeric(field.type.kind)) ? recordLayout(type.fields) : undefined
}

/** The layout of values with a time to live: the time of the last access, then the value. */
export function stampedLayoutOf(type: DataType<unknown>): NumericLayout | undefined {
  const layout = numericLayoutOf(type)
  if (layout === undefined) return undefined
  return {
    width: layout.width + 1,
    read: (columns, base) => new Stamped(columns[base] as number, layout.read(columns, base + 1)),
    write(columns, base, stored) {
      const { lastAccessMs, value } = stored as Stamped<unknown>
      layout.write(columns, base + 1, value)
      columns[base] = lastAccessMs
    },
    createView: () => undefined,
  }
}

function isNumeric(kind: string): boolean {
  return kind === 'int32' || kind === 'long' || kind === 'double' || kind === 'boolean'
}

/** Text of the test that a value fits: the happy path of problemOf. */
function fits(type: DeclaredType<unknown>, value: string): string {
  switch (type.kind) {
    case 'int32':
      return `(${value}|0)===${value}`
    case 'long':
      return `isSafeInteger(${value})`
    case 'boolean':
      return `typeof ${value}==='boolean'`
    default:
      return `typeof ${value}==='number'`
  }
}

const fromColumn = (type: DeclaredType<unknown>, column: string): string =>
  type.kind === 'boolean' ? `${column}!==0` : column

const toColumn = (type: DeclaredType<unknown>, value: string): string =>
  type.kind === 'boolean' ? `${value}?1:0` : value

function scalarLayout(type: DeclaredType<unknown>): NumericLayout {
  const scope = { isSafeInteger: Number.isSafeInteger, fail: (value: unknown) => refuse(type, value, '') }
  return {
    width: 1,
    read: compile('column-reader', scope, `return (c,b)=>${fromColumn(type, 'c[b]')}`),
    write: compile(
      'column-writer',
      scope,
      `return (c,b,v)=>{if(!(${fits(type, 'v')}))fail(v);c[b]=${toColumn(type, 'v')}}`,
    ),
    createView: () => undefined,
  }
}

function recordLayout(fields: readonly RecordField[]): NumericLayout {
  const scope = {
    isSafeInteger: Number.isSafeInteger,
    fail: (index: number, value: unknown) => refuse(fields[index]?.type, value, fields[index]?.name ?? ''),
    notRecord: (value: unknown) => refuse({ kind: 'record', name: 'Record', fields: [] }, value, ''),
  }
  const reads = fields.map(({ name, type }, index) => `[${quoted(name)}]:${fromColumn(type, `c[b+${index}]`)}`)
  const checks = fields.map(
    ({ name, type }, index) =>
      `const f${index}=v[${quoted(name)}];if(!(${fits(type, `f${index}`)}))fail(${index},f${index});`,
  )
  const writes = fields.map(({ type }, index) => `c[b+${index}]=${toColumn(type, `f${index}`)};`)
  const accessors = fields.map(
    ({ name, type }, index) =>
      `get [${quoted(name)}](){return ${fromColumn(type, `c[b+${index}]`)}},` +
      `set [${quoted(name)}](v){if(!(${fits(type, 'v')}))fail(${index},v);c[b+${index}]=${toColumn(type, 'v')}}`,
  )
  const view = `return ()=>{let c,b=0;return{record:{${accessors.join()}},move:(columns,base)=>{c=columns;b=base}}}`
  return {
    width: fields.length,
    read: compile('columns-reader', scope, `return (c,b)=>({${reads.join()}})`),
    write: compile(
      'columns-writer',
      scope,
      `return (c,b,v)=>{if(typeof v!=='object'||v===null)notRecord(v);${checks.join('')}${writes.join('')}}`,
    ),
    createView: compile('columns-view', scope, view),
  }
}

function refuse(type: DeclaredType<unknown> | undefined, value: unknown, path: string): never {
  const problem = type === undefined ? undefined : problemOf(type, value, path)
  throw new MillraceError('MR_STATE_TYPE', problem ?? `${path}: a value was refused that fits its type`)
}
