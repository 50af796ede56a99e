import type { RecordColumns } from '../api/sink.ts'
import { decodeKey } from '../common/key.ts'
import { lowest } from '../common/number-order.ts'
import type { RecordType } from '../formats/data-type.ts'
import { compile } from '../formats/generated-text.ts'
import type { ByteTable } from '../state/byte-table.ts'
import { combinationText, type NamedAggregate, slotsOf } from './aggregate.ts'
import { withoutNull } from './check-expression.ts'
import type { ColumnBatch } from './column-batch.ts'
import type { ReceivePlan } from './column-plan.ts'
import {
  type BytesScript,
  conditionScript,
  expressionScope,
  expressionScript,
  ScriptConstants,
  type ScriptScope,
} from './expression-script.ts'
import { columnOutput, type Defined, objectOutput } from './result-output.ts'

/** Where results go: one record at a time, or a batch of them as columns. */
export type ResultTarget =
  | { readonly kind: 'objects'; processElement(value: unknown, timestamp: number): void }
  | { readonly kind: 'columns'; processRecordColumns(records: RecordColumns): void }

export interface ReceiveParts {
  readonly plan: ReceivePlan
  readonly table: ByteTable
  readonly target: ResultTarget
}

/** Folds a batch into the table and passes on what comes of it; gives the number of records passed on. */
export type Receive = (batch: ColumnBatch) => number

/** The running aggregate with the filters and projections behind it, as one function. */
export function compileReceive({ plan, table, target }: ReceiveParts): Receive {
  const scope = new ResultScope(plan.record)
  const fold = foldText(plan, scope)
  const steps = plan.tail.map((step) =>
    step.kind === 'where'
      ? `if(!(${conditionScript(step.condition, scope)}))continue;`
      : scope.project(step.projection, step.record),
  )
  const output = target.kind === 'objects' ? objectOutput(scope) : columnOutput(scope)
  const body = `${output.before}return function receive(batch){
const {count,keyEnds,bytes:b,timestamps,values,nulls}=batch,entries=table.upsertAll(batch),a=table.columns;${output.open}
let start=batch.keysStart,m=0;
for(let i=0;i<count;i++){const ks=start,ke=keyEnds[i],kt=ks+1;start=ke;
const j=entries[i]*${table.layout.width};
${fold}
${scope.declarations}
${steps.join('\n')}
${output.put}m++}
${output.close}return m}`
  return compile(
    'column-aggregate',
    { ...expressionScope, ...scope.constants.values, decodeKey, lowest, table, target, ...output.scope },
    body,
  )
}

/** Statements that fold row i into the accumulator at a[j] and set r<index> to the results. */
function foldText({ aggregate, valueOf: valueNumbers }: ReceivePlan, scope: ResultScope): string {
  let slot = 0
  const texts = aggregate.results.map((named, index) => {
    const text = resultText(named, { index, slot, value: valueNumbers[index] as number })
    slot += slotsOf(named).length
    scope.define(named.name, { text: `r${index}`, nullable: named.nullable })
    return text
  })
  scope.defineKeys(aggregate.keyFields)
  return texts.join('\n')
}

function resultText(
  { aggregate, nullable }: NamedAggregate,
  { index, slot, value }: { readonly index: number; readonly slot: number; readonly value: number },
): string {
  const at = `a[j+${slot}]`
  const countAt = `a[j+${slot + 1}]`
  const x = `values[${value}][i]`
  const { operation } = aggregate
  if (operation === 'count') return `const r${index}=${at}+1;${at}=r${index};`
  const combined = combinationText(aggregate, at, x)
  const result = operation === 'avg' ? `${at}/${countAt}` : at
  if (nullable) {
    return `if(nulls[${value}][i]===0){${at}=${combined};${countAt}+=1}const r${index}=${countAt}===0?null:${result};`
  }
  return operation === 'avg'
    ? `${at}=${combined};${countAt}+=1;const r${index}=${result};`
    : `const r${index}=${combined};${at}=r${index};`
}

/** Names of the results at one point behind the aggregate. */
class ResultScope implements ScriptScope {
  record: RecordType<unknown>
  readonly constants = new ScriptConstants()
  #fields = new Map<string, Defined>()
  #names = 0
  readonly #declared: string[] = []

  constructor(record: RecordType<unknown>) {
    this.record = record
  }

  get declarations(): string {
    return this.#declared.length === 0 ? '' : `let ${this.#declared.join()};`
  }

  define(name: string, value: Defined): void {
    this.#fields.set(name, value)
  }

  /** Keys are decoded where something needs them. */
  defineKeys(names: readonly string[]): void {
    const key = this.temporary()
    const [only] = names
    const type = this.record.fields.find(({ name }) => name === only)?.type
    if (names.length === 1 && type !== undefined && withoutNull(type).kind === 'string') {
      const bytes = { start: 'kt', end: 'ke', nullable: false }
      this.define(only as string, { text: `(${key}??=b.utf8Slice(kt,ke))`, nullable: false, bytes })
      return
    }
    names.forEach((name, index) => {
      this.define(name, {
        text: `(${key}??=decodeKey(b,ks,ke))${names.length === 1 ? '' : `[${index}]`}`,
        nullable: false,
      })
    })
  }

  /** Statements after which fields are those of the projection. */
  project(
    projection: readonly { readonly name: string; readonly expression: Parameters<typeof expressionScript>[0] }[],
    record: RecordType<unknown>,
  ): string {
    const fields = new Map<string, Defined>()
    const texts: string[] = []
    for (const { name, expression } of projection) {
      if (expression.kind === 'field') {
        fields.set(name, this.#fields.get(expression.name) as Defined)
        continue
      }
      const { text, nullable } = expressionScript(expression, this)
      const variable = this.temporary()
      texts.push(`${variable}=${text};`)
      fields.set(name, { text: variable, nullable })
    }
    this.#fields = fields
    this.record = record
    return texts.join('')
  }

  field(name: string): Defined {
    const field = this.#fields.get(name)
    if (field === undefined) throw new TypeError(`no field ${name}`)
    return field
  }

  bytesOf(name: string): BytesScript | undefined {
    return this.field(name).bytes
  }

  constant(value: unknown): string {
    return this.constants.nameOf(value)
  }

  temporary(): string {
    const name = `z${this.#names++}`
    this.#declared.push(name)
    return name
  }
}
