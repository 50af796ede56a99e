import { hashKey } from '../common/key.ts'
import { finish, mixBlock } from '../common/murmur3.ts'
import { cursor } from '../formats/avro-primitives.ts'
import type { RecordType } from '../formats/data-type.ts'
import { compile } from '../formats/generated-text.ts'
import { escapedStringAt, type JsonLayout, numberAt, skipString, skipValue } from '../formats/json-lexer.ts'
import { columnScanText, powers } from '../formats/json-scanner-text.ts'
import { isNullable, withoutNull } from './check-expression.ts'
import type { ColumnBatch } from './column-batch.ts'
import type { ScanPlan } from './column-plan.ts'
import type { Expression } from './expression.ts'
import {
  conditionScript,
  expressionScope,
  expressionScript,
  ScriptConstants,
  type ScriptScope,
} from './expression-script.ts'
import { givesKnownStrings, KnownKeys } from './known-keys.ts'

/** Where the rows of one receiver are put. */
export interface ColumnTarget {
  readonly batch: ColumnBatch
  /** Ships a full batch; `batch` is empty then. */
  flush(): void
}

/** Where values lie: the part of ValueRanges that is scanned. */
export interface ScannedValues {
  readonly bytes: Buffer
  readonly valueStarts: Int32Array
  readonly valueEnds: Int32Array
  readonly timestamps: Float64Array
}

/** What a scan tells. */
export interface ScanProgress {
  view: DataView
  records: number
  highestTimestamp: number
}

/** Takes values from `from` on and gives the number of the first that it is not certain of; `count`: it took them all. */
export type Scan = (values: ScannedValues, from: number, count: number, progress: ScanProgress) => number

export interface ScanParts {
  readonly plan: ScanPlan
  /** By key group. */
  readonly targets: readonly ColumnTarget[]
}

/** The scan of values that are written in one layout, fused with filters, projections, hash and routing; undefined: no record of the type is written so. */
export function compileScan({ plan, targets }: ScanParts, layout: JsonLayout): Scan | undefined {
  const text = columnScanText(plan.record, layout, 'break scan')
  if (text === undefined) return undefined
  const scope = new ScanScope(plan.record)
  const conditions = plan.conditions.map((condition) => `(${conditionScript(condition, scope)})`).join('&&')
  const timestamp = timestampText(plan.timestamp, scope)
  const key = keyText(plan.keys, scope)
  const puts = plan.values.map((expression, index) => valueText(expression, { index, scope }))
  const mask = targets.length - 1
  const group = (targets.length & mask) === 0 ? `h&${mask}` : `(h>>>0)%${targets.length}`
  const count = 'records++;if(t>highest)highest=t;'
  const body = `return function run(r,from,count,progress){
const b=r.bytes,dv=progress.view,starts=r.valueStarts,ends=r.valueEnds,stamps=r.timestamps;
let c=0,i=from,records=0,highest=progress.highestTimestamp;
scan:for(;i<count;i++){let p=starts[i];if(p<0)continue;const end=ends[i];if(end<=p||b[end-1]!==125)break scan;
${text.declare}${text.read}
${scope.declarations}
${timestamp}
${conditions === '' ? '' : `if(!(${conditions})){${count}continue}`}
${key.hash}
${count}
const target=targets[${group}],w=target.batch,n=w.count;
${key.put}
w.timestamps[n]=t;${puts.join('')}w.count=n+1;if(n===511)target.flush()}
progress.records+=records;progress.highestTimestamp=highest;return i}`
  const lexer = { cursor, escapedStringAt, numberAt, powers, skipString, skipValue }
  return compile(
    'column-scan',
    { ...expressionScope, ...scope.constants.values, ...lexer, finish, hashKey, isKey, mixBlock, targets },
    body,
  )
}

/** Fields of a source's record as its scan leaves them: numbers as values, strings as bytes, made to strings where needed. */
class ScanScope implements ScriptScope {
  readonly record: RecordType<unknown>
  readonly constants = new ScriptConstants()
  #temporaries = 0
  readonly #strings = new Set<number>()

  constructor(record: RecordType<unknown>) {
    this.record = record
  }

  /** Of what the texts made so far need. */
  get declarations(): string {
    const names = Array.from({ length: this.#temporaries }, (_, index) => `y${index}`)
    for (const index of this.#strings) names.push(`x${index}`)
    return names.length === 0 ? '' : `let ${names.join()};`
  }

  indexOf(name: string): number {
    return this.record.fields.findIndex((field) => field.name === name)
  }

  field(name: string): { text: string; nullable: boolean } {
    const index = this.indexOf(name)
    const type = this.record.fields[index]?.type
    if (type === undefined) throw new TypeError(`no field ${name}`)
    const nullable = isNullable(type)
    if (withoutNull(type).kind !== 'string') return { text: `v${index}`, nullable }
    this.#strings.add(index)
    const [s, e] = [`s${index}`, `e${index}`]
    const text = `(x${index}??=o${index}<128?b.latin1Slice(${s},${e}):b.utf8Slice(${s},${e}))`
    return nullable ? { text: `(${s}<0?null:${text})`, nullable } : { text, nullable }
  }

  bytesOf(name: string): { start: string; end: string; nullable: boolean } | undefined {
    const index = this.indexOf(name)
    const type = this.record.fields[index]?.type
    if (type === undefined || withoutNull(type).kind !== 'string') return undefined
    return { start: `s${index}`, end: `e${index}`, nullable: isNullable(type) }
  }

  constant(value: unknown): string {
    return this.constants.nameOf(value)
  }

  temporary(): string {
    return `y${this.#temporaries++}`
  }
}

/** Sets t. What is no timestamp is left to the objects, which say so. */
function timestampText(timestamp: Expression | undefined, scope: ScanScope): string {
  if (timestamp === undefined) return 'const t=stamps[i];'
  const { text } = expressionScript(timestamp, scope)
  return `const t=${text};if(!Number.isFinite(t))break scan;`
}

/** `hash` sets h; what can be no key is left to the objects, which say so. `put` writes the key's canonical bytes (R36). */
function keyText(keys: readonly Expression[], scope: ScanScope): { readonly hash: string; readonly put: string } {
  const [only] = keys
  if (keys.length === 1 && only?.kind === 'field' && scope.bytesOf(only.name) !== undefined) {
    return stringKeyText(scope.indexOf(only.name), scope.field(only.name))
  }
  if (keys.length === 1 && only !== undefined && givesKnownStrings(only)) return knownKeyText(only, scope)
  const parts = keys.map((key) => expressionScript(key, scope))
  const tests = parts.map((_, index) => `!isKey(k${index})`)
  const declare = parts.map(({ text }, index) => `const k${index}=${text};`).join('')
  const key = parts.length === 1 ? 'k0' : `[${parts.map((_, index) => `k${index}`).join()}]`
  return { hash: `${declare}if(${tests.join('||')})break scan;const h=hashKey(${key});`, put: 'w.addScratchKey(h);' }
}

/** One of few strings: neither hashed nor encoded again. */
function knownKeyText(key: Expression, scope: ScanScope) {
  const known = scope.constant(new KnownKeys())
  const hash = `const k=${known}.numberOf(${expressionScript(key, scope).text});if(k<0)break scan;const h=${known}.hashes[k];`
  return { hash, put: `{const kb=${known}.bytes[k];w.addKey(kb,kb.length,h)}` }
}

/** A string as its bytes: hashed and copied in words. Other than ASCII it is made canonical first, since its bytes may be no UTF-8. */
function stringKeyText(index: number, value: { readonly text: string; readonly nullable: boolean }) {
  const [s, e] = [`s${index}`, `e${index}`]
  const hash = `${value.nullable ? `if(${s}<0)break scan;` : ''}const plain=o${index}<128,l=${e}-${s};let h=0;
if(plain){let q=${s}+3;if(l>=3){h=mixBlock(0,dv.getInt32(${s}-1,true)&-256|1);for(;${e}-q>=4;q+=4)h=mixBlock(h,dv.getInt32(q,true));
let tail=0;for(let shift=0;q<${e};q++,shift+=8)tail|=b[q]<<shift;h=finish(h,tail,l+1)}
else h=finish(0,l===0?1:l===1?1|b[${s}]<<8:1|b[${s}]<<8|b[${s}+1]<<16,l+1)}else h=hashKey(${value.text});`
  const put = `if(plain){if(w.keysEnd+l+4>w.buffer.byteLength)w.reserveKey(l+1);
const to=w.view,kb=w.bytes;let k=w.keysEnd,q=${s};kb[k++]=1;for(;${e}-q>=4;q+=4,k+=4)to.setInt32(k,dv.getInt32(q,true),true);for(;q<${e};q++,k++)kb[k]=b[q];
w.keysEnd=k;w.keyEnds[n]=k;w.hashes[n]=h}else w.addScratchKey(h);`
  return { hash, put }
}

function valueText(
  expression: Expression,
  { index, scope }: { readonly index: number; readonly scope: ScanScope },
): string {
  const { text, nullable } = expressionScript(expression, scope)
  if (!nullable) return `w.values[${index}][n]=${text};w.nulls[${index}][n]=0;`
  return `{const x=${text};if(x===null){w.values[${index}][n]=0;w.nulls[${index}][n]=1}else{w.values[${index}][n]=x;w.nulls[${index}][n]=0}}`
}

/** What hashKey takes, of the values that expressions give. */
function isKey(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed()
  return typeof value === 'number' ? Number.isFinite(value) : value !== null
}
